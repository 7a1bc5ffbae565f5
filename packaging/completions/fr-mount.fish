# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fr_mount_global_optspecs
    string join \n read-only read-write ca= pin= server-name= client-cert= client-key= proxy= proxy-secret= chap-user= chap-secret= target-user= target-secret= password= service-key= mutual ready-timeout= initiator-name= digests= insecure-plaintext connect-timeout= reconnect-timeout= cache= block-size= no-replay log-device= realtime-device= volume= verify short-names streams user-mapping= owner= foreground lifetime= warn-command= json log= h/help V/version
end

function __fish_fr_mount_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fr_mount_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fr_mount_using_subcommand
    set -l cmd (__fish_fr_mount_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fr-mount -n "__fish_fr_mount_needs_command" -l ca -d 'Trust the certificate authorities in this PEM file instead of the system\'s' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l pin -d 'Trust exactly the certificate whose public key (SubjectPublicKeyInfo) has this SHA-256' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l server-name -d 'Ask for, and check, this name instead of the host that is dialled' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l client-cert -d 'Show this certificate chain (PEM) to the server' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l client-key -d 'The private key (PEM) of the client certificate' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l proxy -d 'Go through this HTTP proxy (CONNECT), or \'none\'; by default HTTPS_PROXY and NO_PROXY decide' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l proxy-secret -d 'The proxy\'s password: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l chap-user -d 'User name for logging in to the target (CHAP)' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l chap-secret -d 'Secret for logging in to the target: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l target-user -d 'User name that the target has to prove (mutual CHAP)' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l target-secret -d 'Secret that the target has to prove: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l password -d 'The password of a sealed bundle, or of a script of Azure Backup: file:PATH, fd:N or prompt (the default at a terminal)' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l service-key -d 'Insist on a sealed bundle from the recovery service with this key; \'volumes\' shows which key signed a bundle' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l ready-timeout -d 'Wait so long for a target of Azure Backup that is still being prepared' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l initiator-name -d 'Our iSCSI name; targets may let in certain names only' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l digests -d 'CRC32C digests over iSCSI headers and data' -r -f -a "auto\t'Used without TLS; with TLS only when the target insists'
on\t'Required'
off\t'Refused'"
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l connect-timeout -d 'Give up when the target is not reached within this time' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l reconnect-timeout -d 'After a lost connection try for this long; then reads fail' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l cache -d 'Most memory for cached disk blocks' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l block-size -d 'Sector size of disk image files' -r -f -a "512\t''
4096\t''"
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l log-device -d 'This volume holds the log or journal of a file system on another one, where its UUID does not say so. Volumes are written DISK, DISK:PARTITION or GROUP/NAME, as \'volumes\' shows them' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l realtime-device -d 'This volume holds the realtime files of an XFS file system on another one, where its UUID does not say so' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l volume -d 'Mount only this volume, at MOUNTPOINT itself' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l user-mapping -d 'Which Linux users and groups the users of Windows are: a UserMapping file of ntfs-3g' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l owner -d 'Everything on Windows volumes belongs to this user (and group), who may read all of it' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l lifetime -d 'Unmount after this time, 12h at most; a grant that ends sooner, or is revoked, ends the session sooner' -r
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l warn-command -d 'Run this program 30, 10 and 1 minutes before the session ends by itself, and once it did. It is run without arguments and without a shell; FR_MOUNT_POINT, FR_MOUNT_SECONDS_LEFT and FR_MOUNT_END_REASON tell it what for' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l read-only -d 'Mount read-only; there is no other mode'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l read-write -l rw -l writable -d 'Not available: fr-mount never writes to a recovery point'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l mutual -d 'Let Azure\'s target prove itself by CHAP too (InitiatorChapPassword); its certificate is checked in any case'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l insecure-plaintext -d 'Allow iscsi:// (no TLS) to other machines: everything can then be read and changed on the way'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l no-replay -d 'Show file systems that were in use as they lie on the disk, without what their journals hold'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l verify -d 'Check files that carry a hash tree (fs-verity) against it when they are read; their signatures are not checked'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l short-names -d 'List the short names (PROGRA~1) of NTFS beside the long ones'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l streams -d 'Open the streams of NTFS files as FILE:STREAM too; they are extended attributes (user.STREAM) in any case'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l foreground -d 'Stay in the foreground until the volumes are unmounted'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -s V -l version -d 'Print version'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "volumes" -d 'Show what is in a recovery point: disks, partitions, volumes; nothing is mounted'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "status" -d 'Show the sessions of this user that are mounted'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "unmount" -d 'Unmount a session, log out, and leave nothing behind'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "cleanup" -d 'Remove what sessions left behind that were killed: mounts, directories, records; every start of a session does so too'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "demo" -d 'Serve, tunnel and mount a sample recovery point, all in this one process'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "daemon" -d 'Run a session whose description comes on standard input; started by fr-mount itself'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "generate-docs" -d 'Write manual pages and shell completions into a directory'
complete -c fr-mount -n "__fish_fr_mount_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l ca -d 'Trust the certificate authorities in this PEM file instead of the system\'s' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l pin -d 'Trust exactly the certificate whose public key (SubjectPublicKeyInfo) has this SHA-256' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l server-name -d 'Ask for, and check, this name instead of the host that is dialled' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l client-cert -d 'Show this certificate chain (PEM) to the server' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l client-key -d 'The private key (PEM) of the client certificate' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l proxy -d 'Go through this HTTP proxy (CONNECT), or \'none\'; by default HTTPS_PROXY and NO_PROXY decide' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l proxy-secret -d 'The proxy\'s password: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l chap-user -d 'User name for logging in to the target (CHAP)' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l chap-secret -d 'Secret for logging in to the target: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l target-user -d 'User name that the target has to prove (mutual CHAP)' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l target-secret -d 'Secret that the target has to prove: file:PATH, fd:N or prompt' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l password -d 'The password of a sealed bundle, or of a script of Azure Backup: file:PATH, fd:N or prompt (the default at a terminal)' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l service-key -d 'Insist on a sealed bundle from the recovery service with this key; \'volumes\' shows which key signed a bundle' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l ready-timeout -d 'Wait so long for a target of Azure Backup that is still being prepared' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l initiator-name -d 'Our iSCSI name; targets may let in certain names only' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l digests -d 'CRC32C digests over iSCSI headers and data' -r -f -a "auto\t'Used without TLS; with TLS only when the target insists'
on\t'Required'
off\t'Refused'"
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l connect-timeout -d 'Give up when the target is not reached within this time' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l reconnect-timeout -d 'After a lost connection try for this long; then reads fail' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l cache -d 'Most memory for cached disk blocks' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l block-size -d 'Sector size of disk image files' -r -f -a "512\t''
4096\t''"
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l log-device -d 'This volume holds the log or journal of a file system on another one, where its UUID does not say so. Volumes are written DISK, DISK:PARTITION or GROUP/NAME, as \'volumes\' shows them' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l realtime-device -d 'This volume holds the realtime files of an XFS file system on another one, where its UUID does not say so' -r
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l table -d 'One line for each volume instead of the tree of disks, partitions, members, groups and volumes'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -s v -l verbose -d 'Also show what each file system says of itself: state, last mount, features; with --json it is always there'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l mutual -d 'Let Azure\'s target prove itself by CHAP too (InitiatorChapPassword); its certificate is checked in any case'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l insecure-plaintext -d 'Allow iscsi:// (no TLS) to other machines: everything can then be read and changed on the way'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l no-replay -d 'Show file systems that were in use as they lie on the disk, without what their journals hold'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand volumes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand status" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand status" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand status" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand unmount" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand unmount" -l all -d 'Every session of this user'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand unmount" -l force -d 'Unmount even if files are in use: whoever reads them gets errors'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand unmount" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand unmount" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand cleanup" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand cleanup" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand cleanup" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand demo" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand demo" -l check -d 'Check every file against known hashes, unmount and exit'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand demo" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand demo" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand daemon" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand daemon" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand daemon" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand generate-docs" -l log -d 'Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)' -r -F
complete -c fr-mount -n "__fish_fr_mount_using_subcommand generate-docs" -l json -d 'Print results, and failures, as JSON on standard output'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand generate-docs" -s h -l help -d 'Print help'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "volumes" -d 'Show what is in a recovery point: disks, partitions, volumes; nothing is mounted'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "status" -d 'Show the sessions of this user that are mounted'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "unmount" -d 'Unmount a session, log out, and leave nothing behind'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "cleanup" -d 'Remove what sessions left behind that were killed: mounts, directories, records; every start of a session does so too'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "demo" -d 'Serve, tunnel and mount a sample recovery point, all in this one process'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "daemon" -d 'Run a session whose description comes on standard input; started by fr-mount itself'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "generate-docs" -d 'Write manual pages and shell completions into a directory'
complete -c fr-mount -n "__fish_fr_mount_using_subcommand help; and not __fish_seen_subcommand_from volumes status unmount cleanup demo daemon generate-docs help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
