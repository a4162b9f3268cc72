#!/bin/sh
# Installs into an empty directory and uses what is there as a stranger would: every public header
# alone in C and in C++, the examples through pkg-config, static and shared, the exported symbols,
# the files for systemd and QEMU, the manual. (That the examples do what they are to do, and what
# docs/embedding.md says, is in test_embedding.py.)
#
# Usage: test_install.sh SOURCE BUILD     prints TAP. CC and CXX choose compilers, SANITIZE what the
# build was made with, EMULATOR what runs programs for another machine.
set -u
source=$1
build=$(cd "$2" && pwd)
: "${CC:=cc}" "${CXX:=c++}" "${SANITIZE:=none}" "${EMULATOR:=}"

stage=$(mktemp -d /tmp/tenon-install.XXXXXX)
trap 'rm -rf "$stage"' EXIT
number=0
failed=0

# ok NAME STATUS: a line of TAP; what the test printed is in $stage/out
ok() {
    number=$((number + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/#   /' "$stage/out"
        failed=1
    fi
}

skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

(cd "$source" && make install BUILD="$build" DESTDIR="$stage/root") >"$stage/out" 2>&1
ok "make_install_into_DESTDIR" $?

pc=$(find "$stage/root" -name tenon.pc)
test -n "$pc" || { echo "Bail out! no tenon.pc was installed"; exit 1; }
PKG_CONFIG_LIBDIR=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$stage/root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
libdir=$stage/root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir tenon)
prefix=$stage/root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=prefix tenon)
cflags=$(pkg-config --cflags tenon)
strict='-Wall -Wextra -Werror'
sanitize=
test "$SANITIZE" = none || sanitize=-fsanitize=$SANITIZE

# ---- headers ----

(cd "$source/include/tenon" && ls ./*.h) >"$stage/want"
(cd "$prefix/include/tenon" && ls ./*.h) >"$stage/have"
diff "$stage/want" "$stage/have" >"$stage/out" 2>&1
ok "every_public_header_is_installed" $?

for header in "$prefix"/include/tenon/*.h "$prefix"/include/tenon_driver*.h; do
    name=${header#"$prefix"/include/}
    # Twice, since a header must stand being included again.
    printf '#include <%s>\n' "$name" "$name" >"$stage/unit.c"
    echo 'extern int filler;' >>"$stage/unit.c"
    cp "$stage/unit.c" "$stage/unit.cc"
    # shellcheck disable=SC2086
    $CC -std=c11 -pedantic $strict $cflags -fsyntax-only "$stage/unit.c" >"$stage/out" 2>&1
    ok "header_${name#tenon/}_is_C11" $?
    if ! command -v "${CXX%% *}" >/dev/null; then
        skip "header_${name#tenon/}_is_CXX17" "there is no C++ compiler ($CXX)"
        continue
    fi
    # shellcheck disable=SC2086
    $CXX -std=c++17 -pedantic $strict $cflags -fsyntax-only "$stage/unit.cc" >"$stage/out" 2>&1
    ok "header_${name#tenon/}_is_CXX17" $?
done

# ---- examples against the installed library ----

private=$(sed -n 's/^Libs.private://p' "$libdir/pkgconfig/tenon.pc")

for example in "$source"/examples/*.c; do
    test -e "$example" || { skip "examples" "there are none"; break; }
    name=$(basename "$example" .c)
    package=tenon
    static=$libdir/libtenon.a
    if grep -q '<tenon_driver.h>' "$example"; then
        package=tenon-driver
        static="$libdir/libtenon-driver.a $static"
    fi
    compile="$CC -std=gnu17 -D_GNU_SOURCE $strict $sanitize $cflags $example"
    # shellcheck disable=SC2046
    $compile -o "$stage/$name" $(pkg-config --libs $package) -lpthread >"$stage/out" 2>&1
    ok "example_${name}_builds_with_the_shared_library" $?
    # shellcheck disable=SC2086
    $compile -o "$stage/$name.static" $static $private >"$stage/out" 2>&1
    ok "example_${name}_builds_with_the_static_library" $?
done

# ---- symbols ----

so=$libdir/libtenon.so
readelf -d "$so" 2>"$stage/out" | grep -q 'SONAME.*\[libtenon\.so\.0\]'
ok "shared_library_has_a_soname" $?

# "A" is the version node TENON_0 itself.
nm -D --defined-only "$so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u \
    >"$stage/exported"
! grep -v '^tenon_' "$stage/exported" >"$stage/out" && test -s "$stage/exported"
ok "shared_library_exports_only_tenon_names" $?

sed -n 's/^TENON_API .*[ *]\(tenon_[a-z0-9_]*\)(.*/\1/p' "$prefix"/include/tenon/*.h | sort -u \
    >"$stage/declared"
test -s "$stage/declared" && diff "$stage/declared" "$stage/exported" >"$stage/out"
ok "shared_library_exports_what_the_headers_declare" $?

find "$build" -path '*tenon.p/cmd_*.o' -exec nm -u {} + >"$stage/undefined"
! grep -E ' tn_' "$stage/undefined" >"$stage/out" && grep -q ' tenon_blk_new' "$stage/undefined"
ok "the_program_uses_public_functions_only" $?

allowed='^(libc|liburing|libpthread|ld(-linux.*|64)|libasan|libubsan|libtsan)\.so'
needed=$(readelf -d "$so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v -E "$allowed")
echo "it needs: $needed" >"$stage/out"
test -z "$needed"
ok "shared_library_needs_libc_and_liburing_alone" $?

# ---- the program and its files ----

$EMULATOR "$prefix/bin/tenon" version >"$stage/out" 2>&1
ok "installed_program_runs" $?

for kind in blk:block net:net; do
    json=$prefix/share/qemu/vhost-user/50-tenon-${kind%:*}.json
    python3 -c '
import json, sys
told = json.load(open(sys.argv[1]))
assert told["type"] == sys.argv[2] and told["description"], told
print(told["binary"])' "$json" "${kind#*:}" >"$stage/out" 2>&1
    ok "description_of_${kind%:*}_for_qemu_is_valid" $?

    backend=$stage/root$(cat "$stage/out")
    $EMULATOR "$backend" --print-capabilities >"$stage/out" 2>&1 &&
        grep -q "\"${kind#*:}\"" "$stage/out"
    ok "binary_of_${kind%:*}_that_qemu_is_told_of_prints_capabilities" $?
done

# The two units of `tenon blk` or `tenon net`.
check_units() { # kind
    units=$(find "$stage/root" -name "tenon-$1@.*" | sort)
    if test -z "$units"; then
        skip "systemd_units_of_$1" "configured without systemd"
        return
    fi
    service=$(echo "$units" | sed -n 1p)
    echo "$units" >"$stage/out"
    test "$(echo "$units" | wc -l)" = 2 && ! grep -q '@[a-z]*@' "$service" &&
        grep -q "^ExecStart=/.*/tenon $1 " "$service"
    ok "systemd_units_of_$1_are_installed" $?
    if ! command -v systemd-analyze >/dev/null; then
        skip "systemd_understands_the_units_of_$1" "there is no systemd-analyze"
        return
    fi
    # It wants the program at its place, and an instance. Complaints about other units, about
    # manual pages and about the file that the user has to write are not ours.
    unit=$stage/units.$1
    mkdir "$unit"
    sed "s|^ExecStart=[^ ]*|ExecStart=$prefix/bin/tenon|" "$service" >"$unit/tenon-$1@.service"
    cp "$(echo "$units" | sed -n 2p)" "$unit/"
    SYSTEMD_UNIT_PATH=$unit: systemd-analyze verify "$unit/tenon-$1@test.service" \
        >"$stage/verify" 2>&1
    ! grep "tenon-$1" "$stage/verify" | grep -v -E 'Command .man|/etc/tenon' >"$stage/out"
    ok "systemd_understands_the_units_of_$1" $?
}
check_units blk
check_units net

for page in tenon tenon-blk tenon-net; do
    file=$(find "$stage/root" -name "$page.1*")
    if test -z "$file"; then
        echo "not installed" >"$stage/out"
        ok "manual_page_$page" 1
    elif command -v mandoc >/dev/null; then
        mandoc -Tlint -Wwarning "$file" >"$stage/out" 2>&1
        ok "manual_page_$page" $?
    else
        skip "manual_page_$page" "there is no mandoc to check it"
    fi
done

for command in blk net; do
    $EMULATOR "$prefix/bin/tenon" $command --help | grep -o -E -e '--[a-z-]{2,}' | sort -u |
        sed 's/^--//' >"$stage/options"
    while read -r option; do
        # In mdoc, Fl -name is --name.
        grep -q -E "(Fl|Op Fl) -$option" "$source/man/tenon-$command.1" ||
            echo "--$option is not in tenon-$command(1)"
    done <"$stage/options" >"$stage/out"
    test -s "$stage/options" && test ! -s "$stage/out"
    ok "manual_of_${command}_knows_every_option" $?
done

echo "1..$number"
exit $failed
