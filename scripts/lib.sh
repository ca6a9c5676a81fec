# Shared by the scripts; to be sourced in the root of the repository.

# version_at_least HAVE WANTED
version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# The GCC to use: the system's own if it is new enough, else g++-12 (Ubuntu 22.04 has GCC 11 by default).
gcc_program() {
    if command -v g++ >/dev/null && version_at_least "$(g++ -dumpversion)" 12; then echo g++; else echo g++-12; fi
}

# build_folder PRESET: where a preset is built; with CXX set, apart from the preset's own compiler.
build_folder() { echo "build/$1${CXX:+-$(basename "$CXX")}"; }

# configure PRESET [OPTION...]
configure() {
    local preset="$1" compiler="${CXX:-}"
    shift
    [ -n "$compiler" ] || case "$preset" in gcc-*) compiler="$(gcc_program)" ;; esac
    cmake --preset "$preset" -B "$(build_folder "$preset")" ${compiler:+"-DCMAKE_CXX_COMPILER=$compiler"} "$@" >/dev/null
}
