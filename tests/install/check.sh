#!/usr/bin/env bash
# An installed qlroute is found by find_package, and its program and its shared library run; so are its headers where
# nothing but them was built: check.sh BUILD_DIR SOURCE_DIR CXX SANITIZED
set -euo pipefail
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
prefix="$place/prefix"
cmake --install "$1" --prefix "$prefix" >/dev/null

# consumer NAME SOURCE_DIR PREFIX [FLAGS...]: builds it, and runs it.
consumer() {
    cmake -G Ninja -S "$2/tests/install/$1" -B "$place/$1" "-DCMAKE_PREFIX_PATH=$3" "${@:4}" >/dev/null
    cmake --build "$place/$1" >/dev/null
    "$place/$1/$1"
}
flags=()
[ "${4:-OFF}" = OFF ] || flags=(-DCMAKE_C_FLAGS=-fsanitize=address,undefined)
consumer consumer "$2" "$prefix" "-DCMAKE_CXX_COMPILER=$3"
"$prefix/bin/qlroute" --version
test -s "$prefix/share/qlroute/lexical.safetensors"

# The shared library: by CMake, and by pkg-config, wherever it was moved.
consumer c_consumer "$2" "$prefix" "${flags[@]}"
mv "$prefix" "$place/moved"
if command -v pkg-config >/dev/null; then
    pc="$(dirname "$(find "$place/moved" -name qlroute.pc)")"
    lib="$(PKG_CONFIG_PATH="$pc" pkg-config --variable=libdir qlroute)"
    test -e "$lib/libqlroute.so"
    # shellcheck disable=SC2046
    cc -std=c99 ${4:+$([ "$4" = OFF ] || echo -fsanitize=address,undefined)} "$2/tests/install/c_consumer/main.c" \
        $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs qlroute) -o "$place/by_pkg_config"
    LD_LIBRARY_PATH="$lib" "$place/by_pkg_config"
fi

# The headers alone are a package, too; it says that it has no shared library.
cmake -G Ninja -S "$2" -B "$place/headers" "-DCMAKE_CXX_COMPILER=$3" -DQLROUTE_PROGRAM=OFF -DQLROUTE_TESTS=OFF >/dev/null
cmake --install "$place/headers" --prefix "$place/bare" >/dev/null
rm -rf "$place/consumer" "$place/c_consumer"
consumer consumer "$2" "$place/bare" "-DCMAKE_CXX_COMPILER=$3"
! cmake -G Ninja -S "$2/tests/install/c_consumer" -B "$place/c_consumer" "-DCMAKE_PREFIX_PATH=$place/bare" >"$place/said" 2>&1
tr -s '\n ' ' ' <"$place/said" | grep -qF 'this qlroute was installed without its shared library; build it with -DQLROUTE_PROGRAM=ON'
