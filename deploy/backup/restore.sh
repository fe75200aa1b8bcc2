#!/bin/sh
# Restores a file of backup.sh into an empty database: docs/operations/backup-and-restore.md.
#   PGHOST=db.example PGUSER=riskgate PGDATABASE=riskgate_restored ./restore.sh /backups/riskgate-20270131T020000Z-1.dump
# Roles that the dump grants rights to must be there. What is restored belongs to the role that connects.
# Exit codes: 0 done; 1 nothing was restored; 2 only a part was restored (RESTORE_JOBS above 1), so drop the database; 64 wrong use.
set -eu

say() { echo "restore: $*" >&2; }
die() { say "$2"; exit "$1"; }

: "${RESTORE_JOBS:=1}"
[ $# -eq 1 ] || die 64 'name the file to restore, and nothing else.'
[ -f "$1" ] || die 64 "$1 is not a file."
[ -n "${PGDATABASE:-}" ] || die 64 'PGDATABASE must name an empty database.'
case $RESTORE_JOBS in '' | 0* | *[!0-9]*) die 64 'RESTORE_JOBS must be a whole number of at least 1.' ;; esac
file=$1

[ -f "$file.sha256" ] || die 1 "$file.sha256 is missing: the file cannot be checked."
read -r expected _ <"$file.sha256" || die 1 "$file.sha256 is empty."
found=$(sha256sum <"$file") || die 1 'sha256sum failed.'
[ "${found%% *}" = "$expected" ] || die 1 'the file does not have the sum that was noted with it: take another backup.'

ask() { psql --no-password --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command="$1"; }
tables=$(ask "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'") || die 1 'the database cannot be reached.'
[ "$tables" -eq 0 ] || die 1 "the database $PGDATABASE is not empty: nothing was changed."

if [ "$RESTORE_JOBS" -eq 1 ]; then
  pg_restore --no-password --exit-on-error --single-transaction --no-owner --dbname="$PGDATABASE" "$file" ||
    die 1 'pg_restore failed; the database is as empty as before.'
else
  pg_restore --no-password --exit-on-error --jobs="$RESTORE_JOBS" --no-owner --dbname="$PGDATABASE" "$file" ||
    die 2 'pg_restore failed; drop this database and begin again.'
fi
# Without statistics PostgreSQL sorts whole months where it could read a page from an index.
ask 'analyze' || die 2 'ANALYZE failed: run it before gateways start.'
say 'done. Run `riskgate audit verify --head <hash>` with the newest hash that your log noted before the backup.'
