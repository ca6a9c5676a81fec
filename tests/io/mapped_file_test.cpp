#include <qlroute/io/mapped_file.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if __has_include(<sys/stat.h>)
#include <sys/stat.h>
#include <unistd.h>
#endif

using qlroute::errc;
using qlroute::mapped_file;
namespace detail = qlroute::detail;
namespace fs = std::filesystem;

namespace {

/// A folder of its own for each test, removed afterwards.
class temporary_folder {
public:
    temporary_folder()
        : path_(fs::temp_directory_path() / ("qlroute_mapped_file_" + std::to_string(std::random_device{}()))) {
        fs::create_directories(path_);
    }
    ~temporary_folder() { fs::remove_all(path_); }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    std::string write(std::string_view name, std::string_view content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return (path_ / name).string();
    }
    std::string path(std::string_view name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

static_assert(!std::is_copy_constructible_v<mapped_file> && !std::is_copy_assignable_v<mapped_file>);
static_assert(std::is_nothrow_move_constructible_v<mapped_file> && std::is_nothrow_move_assignable_v<mapped_file>);

TEST_CASE("a mapped file holds the bytes of the file") {
    const temporary_folder folder;
    const std::string content("one\0two\r\n\xFF", 10);
    const auto file = mapped_file::open(folder.write("a.bin", content));
    REQUIRE(file);
    CHECK(text(file->bytes()) == content);
}

TEST_CASE("an empty file is no error") {
    const temporary_folder folder;
    const auto file = mapped_file::open(folder.write("empty", ""));
    REQUIRE(file);
    CHECK(file->bytes().empty());
    CHECK(mapped_file().bytes().empty());
}

TEST_CASE("a move keeps the bytes where they are") {
    const temporary_folder folder;
    auto opened = mapped_file::open(folder.write("a", "content"));
    auto other = mapped_file::open(folder.write("b", "another"));
    REQUIRE(opened);
    REQUIRE(other);
    const auto* before = opened->bytes().data();
    mapped_file moved = *std::move(opened);
    CHECK(moved.bytes().data() == before);
    CHECK(opened->bytes().empty());
    moved = *std::move(other);
    CHECK(text(moved.bytes()) == "another");
    moved = mapped_file();
    CHECK(moved.bytes().empty());
}

TEST_CASE("a missing file is reported with its path and the system's reason") {
    const temporary_folder folder;
    const std::string path = folder.path("no_such_file");
    const auto file = mapped_file::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::missing);
    CHECK(file.error().message ==
          "cannot open \"" + path + "\": " + std::generic_category().message(ENOENT) + "; check the path");
}

TEST_CASE("a file is missing, too, if its folder is a file") {
    const temporary_folder folder;
    const auto file = mapped_file::open(folder.write("a", "x") + "/b");
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::missing);
}

TEST_CASE("a path with a NUL in it is refused instead of being cut short") {
    const temporary_folder folder;
    const std::string path = folder.write("a", "x") + std::string("\0.txt", 5);
    const auto file = mapped_file::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().message.find(std::generic_category().message(EINVAL)) != std::string::npos);
}

#if __has_include(<sys/mman.h>)
TEST_CASE("a directory is reported as one") {
    const temporary_folder folder;
    const auto file = mapped_file::open(folder.path("."));
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::unsupported);
    CHECK(file.error().message == "cannot open \"" + folder.path(".") + "\": " +
                                      std::generic_category().message(EISDIR) + "; give the path of a file in it");
}

TEST_CASE("a file that may not be read is reported with advice") {
    if (::geteuid() == 0) return;  // root may read everything
    const temporary_folder folder;
    const std::string path = folder.write("secret", "x");
    fs::permissions(path, fs::perms::none);
    const auto file = mapped_file::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::unsupported);
    CHECK(file.error().message == "cannot open \"" + path + "\": " + std::generic_category().message(EACCES) +
                                      "; make the file readable for this user");
}

TEST_CASE("advice for a file that may not be read holds for every user") {
    const auto why = detail::cannot_open("a", EACCES);
    CHECK(why.code == errc::unsupported);
    CHECK(why.message == "cannot open \"a\": Permission denied; make the file readable for this user");
}

TEST_CASE("a pipe is refused without waiting for its writer") {
    const temporary_folder folder;
    const std::string path = folder.path("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const auto file = mapped_file::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::unsupported);
    CHECK(file.error().message.find(path) != std::string::npos);
}

TEST_CASE("mapping and reading a file agree") {
    const temporary_folder folder;
    std::string content;
    std::mt19937 random(7);
    for (int i = 0; i < 300'000; ++i) content += static_cast<char>(random() & 0xFF);
    for (const std::size_t size : {0u, 1u, 4096u, 65535u, 65536u, 65537u, 300'000u}) {
        const std::string path = folder.write("sized", std::string_view(content).substr(0, size));
        const auto mapped = mapped_file::open(path);
        const auto read = detail::read_file(path);
        REQUIRE(mapped);
        REQUIRE(read);
        CHECK(text(mapped->bytes()) == std::string_view(content).substr(0, size));
        CHECK(text(*read) == std::string_view(content).substr(0, size));
        std::free(const_cast<std::byte*>(read->data()));
    }
}

TEST_CASE("reading without a map reports missing files and directories in the same words") {
    const temporary_folder folder;
    for (const std::string& path : {folder.path("no_such_file"), folder.path(".")}) {
        const auto mapped = mapped_file::open(path);
        const auto read = detail::read_file(path);
        REQUIRE_FALSE(mapped);
        REQUIRE_FALSE(read);
        CHECK(read.error().code == mapped.error().code);
        CHECK(read.error().message == mapped.error().message);
    }
}
#endif
