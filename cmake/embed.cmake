# cmake -DINPUT=file -DOUTPUT=file.cpp -DSYMBOL=name -P embed.cmake
# Writes a C++ source that defines `std::span<const std::byte> SYMBOL()` with the bytes of INPUT.
file(READ "${INPUT}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(([^,]*,){24})" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include <cstddef>
#include <span>
namespace {
alignas(64) constexpr unsigned char bytes[${size}] = {
${bytes}};
}
std::span<const std::byte> ${SYMBOL}();
std::span<const std::byte> ${SYMBOL}() { return std::as_bytes(std::span(bytes)); }
")
