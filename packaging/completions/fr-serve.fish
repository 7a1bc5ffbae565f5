# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fr_serve_global_optspecs
    string join \n config= json h/help V/version
end

function __fish_fr_serve_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fr_serve_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fr_serve_using_subcommand
    set -l cmd (__fish_fr_serve_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fr-serve -n "__fish_fr_serve_needs_command" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_needs_command" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -s V -l version -d 'Print version'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "serve" -d 'Serve the vault: iSCSI for those who have a grant, the page and the API for those who make one'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "init" -d 'Make a new service: key, certificate, a first user, and a configuration to go on from'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "check-config" -d 'Check the configuration and all that it names'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "token" -d 'Make a token for a user, and tell what the configuration has to say of it'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "import" -d 'Bring a recovery point into the vault: disk images with all that they build on'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "list" -d 'List VMs, or the recovery points of one'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "verify" -d 'Read everything, compare it with the hashes of its import, and open every disk'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "prune" -d 'Remove old recovery points, and what is left over; never a point that somebody has a grant for'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "points" -d 'List the VMs that may be restored, or the recovery points of one, newest first'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "grant" -d 'Make a grant: a sealed bundle, and the password that opens it'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "grants" -d 'List grants, and who uses them'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "revoke" -d 'End a grant, and every mount that uses it'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "generate-docs" -d 'Write manual pages and shell completions'
complete -c fr-serve -n "__fish_fr_serve_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand serve" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand serve" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand serve" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l host -d 'The name or address under which clients find the service' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l vault -d 'The vault: a directory, or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX [default: DIRECTORY/vault]' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l user -d 'The first user, who may restore every VM' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l iscsi-port -d 'The port for iSCSI' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l https-port -d 'The port for the page and the API' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand init" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand check-config" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand check-config" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand token" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand token" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand token" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l vault -d 'The vault, instead of the one that the configuration names: a directory, or s3://, az://, gs://. Credentials come from the environment, as each cloud\'s own tools read it' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l vault-option -d 'An option of the object store, with --vault: region, endpoint, allow_http, ...; never a secret' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l vm -d 'The VM that the disks are of' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l point -d 'The point\'s name; by default the time at which it was taken' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l os -d 'The VM\'s operating system, in words' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l taken-at -d 'When the disks were in this state, in UTC (2026-11-28T10:00:00Z); by default when the newest image was changed last' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l consistency -d 'What is certain about that state' -r -f -a "crash\t'As after a power failure: journals have to be replayed'
file-system\t'File systems were brought to rest'
application\t'Applications (databases) were too'"
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l block-size -d 'Sector size of disks whose images do not tell it' -r -f -a "512\t''
4096\t''"
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l files-in -d 'Another directory in which images may be that these build on; without it they have to lie beside or below them' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand list" -l vault -d 'The vault, instead of the one that the configuration names: a directory, or s3://, az://, gs://. Credentials come from the environment, as each cloud\'s own tools read it' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand list" -l vault-option -d 'An option of the object store, with --vault: region, endpoint, allow_http, ...; never a secret' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand list" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand list" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand list" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand verify" -l vault -d 'The vault, instead of the one that the configuration names: a directory, or s3://, az://, gs://. Credentials come from the environment, as each cloud\'s own tools read it' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand verify" -l vault-option -d 'An option of the object store, with --vault: region, endpoint, allow_http, ...; never a secret' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand verify" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand verify" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand verify" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l vault -d 'The vault, instead of the one that the configuration names: a directory, or s3://, az://, gs://. Credentials come from the environment, as each cloud\'s own tools read it' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l vault-option -d 'An option of the object store, with --vault: region, endpoint, allow_http, ...; never a secret' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l keep-last -d 'Keep so many of each VM\'s newest points' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l older-than -d 'Remove only points that were taken before this time, or longer ago than this (30d, 12h)' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l dry-run -d 'Remove nothing, and tell what would be removed'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand prune" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -l url -d 'Ask the service that runs at this address (https://HOST:PORT) instead of the vault itself' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -l token -d 'The token to sign in with there: file:PATH, fd:N or prompt' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -l ca -d 'The authority that its certificate is of, in PEM; otherwise those that this system trusts' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand points" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l url -d 'Ask the service that runs at this address (https://HOST:PORT) instead of the vault itself' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l token -d 'The token to sign in with there: file:PATH, fd:N or prompt' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l ca -d 'The authority that its certificate is of, in PEM; otherwise those that this system trusts' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l output -d 'Where the bundle is written; the file must not be there yet. By default VM_POINT.fr-bundle, here' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l lifetime -d 'How long the grant lives (20min, 8h); by default as long as it may' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l password-to -d 'Where the password is written instead of standard output: file:PATH (which must not be there yet) or fd:N' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grant" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -l url -d 'Ask the service that runs at this address (https://HOST:PORT) instead of the vault itself' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -l token -d 'The token to sign in with there: file:PATH, fd:N or prompt' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -l ca -d 'The authority that its certificate is of, in PEM; otherwise those that this system trusts' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand grants" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -l url -d 'Ask the service that runs at this address (https://HOST:PORT) instead of the vault itself' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -l token -d 'The token to sign in with there: file:PATH, fd:N or prompt' -r
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -l ca -d 'The authority that its certificate is of, in PEM; otherwise those that this system trusts' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand revoke" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand generate-docs" -l config -d 'The configuration; \'fr-serve init\' makes one' -r -F
complete -c fr-serve -n "__fish_fr_serve_using_subcommand generate-docs" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand generate-docs" -s h -l help -d 'Print help'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "serve" -d 'Serve the vault: iSCSI for those who have a grant, the page and the API for those who make one'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "init" -d 'Make a new service: key, certificate, a first user, and a configuration to go on from'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "check-config" -d 'Check the configuration and all that it names'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "token" -d 'Make a token for a user, and tell what the configuration has to say of it'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "import" -d 'Bring a recovery point into the vault: disk images with all that they build on'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "list" -d 'List VMs, or the recovery points of one'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "verify" -d 'Read everything, compare it with the hashes of its import, and open every disk'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "prune" -d 'Remove old recovery points, and what is left over; never a point that somebody has a grant for'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "points" -d 'List the VMs that may be restored, or the recovery points of one, newest first'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "grant" -d 'Make a grant: a sealed bundle, and the password that opens it'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "grants" -d 'List grants, and who uses them'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "revoke" -d 'End a grant, and every mount that uses it'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "generate-docs" -d 'Write manual pages and shell completions'
complete -c fr-serve -n "__fish_fr_serve_using_subcommand help; and not __fish_seen_subcommand_from serve init check-config token import list verify prune points grant grants revoke generate-docs help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
