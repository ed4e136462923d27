# `postfix check` on a copy, $1. It speaks to a terminal only, and makes the folders of the queue that are missing: so it
# gets a terminal, and folders that go away. No line moves.
set -eu

cannot() {
    echo "$1" >&2
    exit 127
}
for program in postfix script; do
    command -v "$program" >/dev/null || cannot "there is no program \`$program\`"
done
# Its programs change their user, which takes root with all users of the system.
read -r _ _ users </proc/self/uid_map
[ "$(id -u)" = 0 ] && [ "$users" -gt 1 ] || cannot 'postfix check runs for root only'

sed -i -E "
    s|^queue_directory = .*|queue_directory = $TMPDIR/queue|
    s|^data_directory = .*|data_directory = $TMPDIR/data|
" "$1/main.cf"
mkdir "$TMPDIR/queue"
exec script -qec "postfix -c '$1' check" /dev/null >&2
