# Mounts recovery point @POINT@ of @VM@ with fr-mount, read-only.
# It works until @UNTIL@, or until somebody presses "Unmount disks".
# The password is not in this file: fr-mount asks for it.
#
#     powershell -ExecutionPolicy Bypass -File @FILE@ [DIRECTORY [OPTIONS OF fr-mount...]]
#
# The files appear below DIRECTORY; without it, below .\@DIRECTORY@.
param(
    [string]$Directory = '.\@DIRECTORY@',
    [Parameter(ValueFromRemainingArguments = $true)][string[]]$Options = @()
)
$ErrorActionPreference = 'Stop'

if (-not (Get-Command fr-mount -CommandType Application -ErrorAction SilentlyContinue)) {
    Write-Host 'fr-mount is not installed on this machine. Install it and run this script again.'
    exit 127
}

$bundle = @'
@BUNDLE@
'@

$made = -not (Test-Path -LiteralPath $Directory)
if ($made) { New-Item -ItemType Directory -Path $Directory | Out-Null }

# The bundle is in a directory that only this user can enter, and goes when fr-mount has read it.
$private = Join-Path ([IO.Path]::GetTempPath()) ('fr-mount-bundle-' + [Guid]::NewGuid().ToString('N'))
$code = 1
try {
    New-Item -ItemType Directory -Path $private | Out-Null
    $user = [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    & icacls.exe $private /inheritance:r /grant:r "*${user}:(OI)(CI)F" /Q | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "The directory $private could not be made private: nothing was written to it." }
    $file = Join-Path $private '@BUNDLE_FILE@'
    [IO.File]::WriteAllText($file, $bundle + "`n")
    & fr-mount --read-only @Options $file $Directory
    $code = $LASTEXITCODE
} finally {
    Remove-Item -LiteralPath $private -Recurse -Force -ErrorAction SilentlyContinue
    if ($made -and $code -ne 0) { Remove-Item -LiteralPath $Directory -ErrorAction SilentlyContinue }
}
exit $code
