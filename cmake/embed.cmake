# embed_files(TARGET NAMESPACE FILE...): adds a source to TARGET that defines, for FILE "a/b.c", the function
# `std::span<const std::byte> NAMESPACE::b_c()` with the file's bytes, aligned to 64. The assembler reads the file, so
# that megabytes cost no compile time.
function(embed_files target namespace)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${target}_${namespace}.cpp")
    set(text "#include <cstddef>
#include <span>
#if defined(__APPLE__)
#define EMBED_SECTION \".const_data\"
#define EMBED_NAME(name) \"_\" #name
#else
#define EMBED_SECTION \".section .rodata\"
#define EMBED_NAME(name) #name
#endif
")
    foreach(file IN LISTS ARGN)
        get_filename_component(symbol "${file}" NAME)
        string(MAKE_C_IDENTIFIER "${symbol}" symbol)
        set(data "${namespace}_${symbol}")
        string(APPEND text "
asm(EMBED_SECTION \"\\n.balign 64\\n.globl \" EMBED_NAME(${data}_begin) \"\\n\" EMBED_NAME(${data}_begin) \":\\n.incbin \\\"${file}\\\"\\n.globl \" EMBED_NAME(${data}_end) \"\\n\" EMBED_NAME(${data}_end) \":\\n.byte 0\\n.text\\n\");
extern \"C\" const std::byte ${data}_begin[];
extern \"C\" const std::byte ${data}_end[];
namespace ${namespace} {
std::span<const std::byte> ${symbol}();
std::span<const std::byte> ${symbol}() { return {${data}_begin, ${data}_end}; }
}
")
    endforeach()
    file(GENERATE OUTPUT "${source}" CONTENT "${text}")
    target_sources(${target} PRIVATE "${source}")
    set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${ARGN}" SKIP_PRECOMPILE_HEADERS ON)
endfunction()
