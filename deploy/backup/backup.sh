#!/bin/sh
# Backs up the database of riskgate into one file, checks it, and removes old ones: docs/operations/backup-and-restore.md.
#   PGHOST=db.example PGUSER=riskgate PGDATABASE=riskgate BACKUP_DIR=/backups ./backup.sh
# The database is named by the variables of libpq. A password stands in PGPASSFILE or PGPASSWORD, not on the command line.
# Exit codes: 0 done; 1 no backup was made; 2 the backup was made, and old ones could not be removed; 64 wrong use.
set -eu
umask 077

say() { echo "backup: $*" >&2; }
die() { say "$2"; exit "$1"; }

: "${BACKUP_DIR:=}" "${BACKUP_KEEP:=14}"
[ $# -eq 0 ] || die 64 'give no arguments; set BACKUP_DIR and the variables of libpq (PGHOST, PGUSER, PGDATABASE).'
[ -d "$BACKUP_DIR" ] || die 64 'BACKUP_DIR must name a folder.'
case $BACKUP_KEEP in '' | 0* | *[!0-9]*) die 64 'BACKUP_KEEP must be a whole number of at least 1.' ;; esac

name=riskgate-$(date -u +%Y%m%dT%H%M%SZ)-$$.dump
part=$BACKUP_DIR/.$name.part
trap 'rm -f "$part" "$part.list"' EXIT
trap 'exit 1' INT TERM HUP

pg_dump --no-password --format=custom --file="$part" || die 1 'pg_dump failed.'
# The list is read from the beginning of the file, and says nothing of the data behind it.
pg_restore --list "$part" >"$part.list" || die 1 'the dump has no readable list of its content.'
pg_restore --file=/dev/null "$part" || die 1 'the dump cannot be read to its end.'
# Without this row no gateway starts on the restored database.
grep -q ' TABLE DATA public audit_key ' "$part.list" || die 1 'the dump lacks audit_key: is PGDATABASE a database of riskgate?'

sum=$(sha256sum <"$part") || die 1 'sha256sum failed.'
# The sum comes first: a dump without a sum would look complete.
echo "${sum%% *}  $name" >"$BACKUP_DIR/$name.sha256"
sync
mv "$part" "$BACKUP_DIR/$name"
echo "$BACKUP_DIR/$name"

# Names begin with the time, so the oldest come first.
set -- "$BACKUP_DIR"/riskgate-*.dump
while [ $# -gt "$BACKUP_KEEP" ]; do
  rm -f "$1" "$1.sha256" || die 2 "$1 could not be removed."
  shift
done
