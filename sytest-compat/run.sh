#!/usr/bin/env bash
# Runs SyTest against Oriz: sytest-compat/README.md tells what it needs and how to read the result.
#
#   run.sh PATH-TO-SYTEST [--db URL] [--work DIR] [-C] [FILES...]
#
# --db URL     a PostgreSQL in which databases may be made: postgresql://USER@HOST:PORT/. Default: SQLite.
# --work DIR   where the servers' files and the results are kept. Default: a new folder among the temporary files.
# -C           writes every request and answer to the file `progress` beside the results.
# FILES        of SyTest's tests, such as tests/31sync/02sync.pl. Default: all.
#
# Environment: ORIZ, the command; PERL5LIB, where Perl finds the modules that the system lacks; TIMEOUT_FACTOR.
# The last line on standard output is the path of the results, in TAP. Exit code: that of SyTest, 1 where a test failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }

[ $# -ge 1 ] && [ -f "$1/run-tests.pl" ] || usage
sytest=$(cd "$1" && pwd)
shift
database=() log=() work=
while [ $# -gt 0 ]; do
    case $1 in
        --db) database=(--database "${2:?}") && shift 2 ;;
        -C) log=(-C) && shift ;;
        --work) work=${2:?} && shift 2 ;;
        -*) usage ;;
        *) break ;;
    esac
done
work=${work:-$(mktemp -d -t oriz-sytest-XXXXXX)}
mkdir -p "$work"
work=$(cd "$work" && pwd)

# SyTest opens its folders relative to the present one, and its tests in the order of their names. It is not touched:
# links stand for it, beside one file of ours.
stand=$work/stand
rm -rf "$stand"
mkdir -p "$stand/tests"
ln -s "$sytest/lib" "$sytest/run-tests.pl" "$stand"
cp -r "$sytest/keys" "$stand/keys"
ln -s "$sytest"/tests/* "$stand/tests"
ln -s "$here/presumed.pl" "$stand/tests/06presumed.pl"

# In a network of its own nothing gets out, and the ports collide with nobody; only root may make one. A PostgreSQL
# lives outside of it.
alone=()
if [ ${#database[@]} = 0 ] && unshare -n true 2>/dev/null; then
    alone=(unshare -n bash -c 'ip link set lo up; exec "$@"' --)
fi

# In one block, which the shell reads whole: the file may change while it runs.
{
    cd "$stand"
    code=0
    SYTEST_PLUGINS=$here/plugins "${alone[@]}" perl -Ilib run-tests.pl -I Oriz \
        --oriz "${ORIZ:-$here/../.venv/bin/oriz}" "${database[@]}" \
        --bind-host 127.0.0.1 --work-directory "$work" --room-version 10 -O files --all "${log[@]}" "$@" \
        >"$work/results.tap" 2>"$work/progress" </dev/null || code=$?
    echo "$work/results.tap"
    exit $code
}
