#!/bin/sh
# `sh deploy/secrets.sh [HOST...]`: makes the secrets of deploy/compose.yaml in deploy/secrets/, and a certificate for localhost and
# these names. What is there already stays, so it can be run again. It needs openssl.
set -eu
cd "$(dirname "$0")"

# Compose mounts each file as it is, and the users inside the containers differ. So all may read the files, and only the owner
# may enter their folder.
umask 022
mkdir -p secrets
chmod 700 secrets
cd secrets

# Writes standard input to a file that is not there yet. Renamed into place: a file is whole, or it is not there.
keep() {
  if [ -e "$1" ]; then cat >/dev/null; else cat >".$1.draft" && mv ".$1.draft" "$1" && echo "made deploy/secrets/$1"; fi
}

# No characters that mean something in a URL or in a configuration.
password() { openssl rand -hex 24; }

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# A token that may read the metrics, for a year, as `riskgate token --role TELEMETRY --subject prometheus --ttl 365d` signs it.
# openssl takes the key only as an argument, which other users of this machine could see for a moment.
metrics_token() {
  now=$(date +%s)
  header=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
  claims=$(printf '{"roles":["TELEMETRY"],"tenant":"default","iss":"riskgate","aud":"riskgate","sub":"prometheus","iat":%d,"exp":%d}' \
    "$now" "$((now + 365 * 86400))" | base64url)
  signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -hmac "$(cat jwt-secret)" -binary | base64url)
  printf '%s.%s.%s' "$header" "$claims" "$signature"
}

for name in postgres-password riskgate-password redis-password grafana-password jwt-secret; do
  password | keep "$name"
done
printf 'postgres://riskgate:%s@postgres:5432/riskgate\n' "$(cat riskgate-password)" | keep database-url
printf 'requirepass %s\n' "$(cat redis-password)" | keep redis-auth
printf 'redis://:%s@redis:6379\n' "$(cat redis-password)" | keep redis-url
metrics_token | keep metrics-token

# make_certificate NAME SUBJECT NAMES DAYS: the files NAME-certificate and NAME-key, signed by itself.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$4" -subj "/CN=$2" \
    -addext "subjectAltName=$3" -keyout ".$1-key.draft" -out ".$1-certificate.draft" 2>/dev/null
  # openssl makes the key for its owner alone.
  chmod 644 ".$1-key.draft"
  mv ".$1-key.draft" "$1-key"
  mv ".$1-certificate.draft" "$1-certificate"
}

if [ ! -e tls-certificate ]; then
  names='IP:127.0.0.1,DNS:localhost'
  for name in "$@"; do names="$names,DNS:$name"; done
  make_certificate tls "${1:-localhost}" "$names" 365
  echo 'made deploy/secrets/tls-certificate, signed by itself: put one of an authority in its place for a production'
fi
# For NGINX and Prometheus, which trust this one alone.
if [ ! -e gateway-certificate ]; then
  make_certificate gateway riskgate DNS:riskgate,DNS:gateway-1,DNS:gateway-2 3650
  echo 'made deploy/secrets/gateway-certificate'
fi
