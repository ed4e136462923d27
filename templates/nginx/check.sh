# nginx -t for a configuration whose host is elsewhere. It makes its pid file, logs and folders, opens certificates and
# binds its addresses: so the copy that it gets, $1, names other places for the first, throw-away certificates where the
# real ones are not here, and a network of its own has every address. No line moves.
set -eu

cannot() {
    echo "$1" >&2
    exit 127
}
command -v nginx >/dev/null || cannot 'there is no program `nginx`'
# In a network of our own there is only `lo`.
[ "$(grep -c : /proc/net/dev)" = 1 ] || cannot 'nginx -t binds addresses, and there is no network of its own for it here'
[ ! -e /proc/sys/net/ipv6/ip_nonlocal_bind ] || echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind

set -- "$1"/nginx.conf "$1"/upstreams.conf "$1"/sites/*.conf
sed -i -E "
    s|^( *)user [^;]+;|\1user root;|
    s|^( *)pid [^;]+;|\1pid $TMPDIR/pid;|
    s|^( *)(error_log\|access_log) [^; ]+|\1\2 $TMPDIR/log|
    s|^( *)([a-z_]+_temp_path) [^; ]+|\1\2 $TMPDIR/\2|
" "$1"

absent=
for file in $(sed -nE 's/^ *ssl_certificate(_key)? ([^;]+);.*/\2/p' "$@" | sort -u); do
    [ -r "$file" ] || absent=$file
done
if [ -n "$absent" ]; then
    command -v openssl >/dev/null || cannot "\`$absent\` is not here, and there is no \`openssl\` to make a throw-away one"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 1 -subj /CN=throw-away \
        -keyout "$TMPDIR/key.pem" -out "$TMPDIR/chain.pem" 2>/dev/null
    sed -i -E "
        s|^( *)ssl_certificate [^;]+;|\1ssl_certificate $TMPDIR/chain.pem;|
        s|^( *)ssl_certificate_key [^;]+;|\1ssl_certificate_key $TMPDIR/key.pem;|
    " "$@"
fi

# Without the time and the number of the process.
status=0
nginx -t -q -e stderr -c "$1" 2>"$TMPDIR/said" || status=$?
sed -E 's/^[0-9]+\/[^[]*(\[[a-z]+\]) [0-9#]+: (\*[0-9]+ )?/nginx: \1 /' "$TMPDIR/said" >&2
exit "$status"
