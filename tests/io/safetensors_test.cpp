#include <qlroute/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using qlroute::errc;
using qlroute::safetensors;
using qlroute::tensor_dtype;
namespace detail = qlroute::detail;

namespace {

using file_bytes = std::vector<std::byte>;

/// Length, header, data: nothing added, nothing checked.
file_bytes file_of(std::uint64_t length, std::string_view header, std::string_view data) {
    file_bytes file(8 + header.size() + data.size());
    std::memcpy(file.data(), &length, 8);
    if (!header.empty()) std::memcpy(file.data() + 8, header.data(), header.size());
    if (!data.empty()) std::memcpy(file.data() + 8 + header.size(), data.data(), data.size());
    return file;
}
file_bytes file_of(std::string_view header, std::string_view data) { return file_of(header.size(), header, data); }

/// Blanks after a header, so that the data begins at a multiple of eight.
std::string padded(std::string header) {
    while ((8 + header.size()) % 8 != 0) header += ' ';
    return header;
}

/// One tensor "a" of 4 bytes with the given description.
std::string one_tensor(std::string_view description) { return "{\"a\":{" + std::string(description) + "}}"; }

constexpr std::string_view four_bytes = "1234";
constexpr std::string_view valid_member = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";

/// Parses, and expects an error with exactly this message at this byte.
void expect_error(const file_bytes& file, errc code, std::size_t offset, const std::string& what) {
    const auto parsed = safetensors::parse(file);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message == "byte " + std::to_string(offset) + ": " + what);
    CHECK(parsed.error().offset == offset);
    CHECK(parsed.error().code == code);
}

/// The same, where the place is that of `marker` in the header.
void expect_error(const std::string& header, std::string_view marker, const std::string& what,
                  errc code = errc::malformed, std::string_view data = four_bytes) {
    CAPTURE(header);
    REQUIRE(header.find(marker) != std::string::npos);
    expect_error(file_of(header, data), code, 8 + header.find(marker), what);
}

const std::string three_tensors = padded(R"({"__metadata__":{"format":"pt","made \u0062y":"a \"test\""},)"
                                         R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                                         R"("na\u00efve":{"dtype":"I8","shape":[3],"data_offsets":[32,35]},)"
                                         R"("scalar":{"dtype":"F64","shape":[],"data_offsets":[24,32]},)"
                                         R"( "none" : {"shape":[0, 7],"data_offsets":[35,35],"dtype":"F16"}})");

file_bytes three_tensor_file() {
    const float w[] = {1, 2, 3, 4, 5, 6};
    const double scalar = 0.5;
    const std::int8_t small[] = {-1, 0, 127};
    std::string data(35, '\0');
    std::memcpy(data.data(), w, 24);
    std::memcpy(data.data() + 24, &scalar, 8);
    std::memcpy(data.data() + 32, small, 3);
    return file_of(three_tensors, data);
}

}  // namespace

static_assert(!std::is_copy_constructible_v<safetensors> && std::is_nothrow_move_constructible_v<safetensors>);
static_assert(qlroute::tensor_element<float> && qlroute::tensor_element<std::int8_t>);
static_assert(!qlroute::tensor_element<bool> && !qlroute::tensor_element<char>);

TEST_CASE("tensors are views of the file, in the order of their data") {
    const auto file = three_tensor_file();
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    std::vector<std::string_view> names;
    for (const auto& one : model->tensors()) names.push_back(one.name);
    CHECK(names == std::vector<std::string_view>{"w", "scalar", "na\xC3\xAFve", "none"});

    const auto* w = model->find("w");
    REQUIRE(w != nullptr);
    CHECK(w->dtype == tensor_dtype::f32);
    CHECK(std::vector(w->shape.begin(), w->shape.end()) == std::vector<std::uint64_t>{2, 3});
    CHECK(w->data.data() == file.data() + 8 + three_tensors.size());
    CHECK(w->data.size() == 24);
    CHECK(model->find("scalar")->shape.empty());
    CHECK(model->find("none")->data.empty());
    CHECK(model->find("na\xC3\xAFve")->data.size() == 3);
    CHECK(model->find("W") == nullptr);
    CHECK(model->find("") == nullptr);
    CHECK(model->find("__metadata__") == nullptr);
}

TEST_CASE("values come typed, in place and with their shape checked") {
    const auto file = three_tensor_file();
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    const auto w = model->values<float>("w", 2, 3);
    REQUIRE(w);
    CHECK(std::vector(w->begin(), w->end()) == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(static_cast<const void*>(w->data()) == static_cast<const void*>(model->find("w")->data.data()));
    const auto small = model->values<std::int8_t>("na\xC3\xAFve", 3u);
    REQUIRE(small);
    CHECK((*small)[0] == -1);
    CHECK((*small)[2] == 127);
    const auto scalar = model->values<double>("scalar");
    REQUIRE(scalar);
    CHECK(scalar->size() == 1);
    CHECK(scalar->front() == 0.5);
}

TEST_CASE("values say what was expected and what was found") {
    const auto file = three_tensor_file();
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    const auto missing = model->values<float>("v", 2, 3);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == errc::missing);
    CHECK(missing.error().message == "expected F32 [2, 3] for the tensor \"v\", found no tensor of that name");

    const auto type = model->values<std::int32_t>("w", 2, 3);
    REQUIRE_FALSE(type);
    CHECK(type.error().code == errc::malformed);
    CHECK(type.error().message == "expected I32 [2, 3] for the tensor \"w\", found F32 [2, 3]");
    CHECK(type.error().offset == 8 + three_tensors.size());

    const auto shape = model->values<double>("scalar", 1);
    REQUIRE_FALSE(shape);
    CHECK(shape.error().code == errc::malformed);
    CHECK(shape.error().message == "expected F64 [1] for the tensor \"scalar\", found F64 []");
    CHECK(shape.error().offset == 8 + three_tensors.size() + 24);

    CHECK_FALSE(model->values<float>("w", 3, 2));
    CHECK_FALSE(model->values<float>("w", 6));
    CHECK_FALSE(model->values<float>("w", -2, -3));
    CHECK_FALSE(model->values<float>("w"));
}

TEST_CASE("values refuse data that this machine cannot read in place, and say what to do") {
    std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                         R"("e":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})";
    while (header.size() % 4 != 1) header += ' ';
    const auto file = file_of(header, four_bytes);
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    const auto values = model->values<float>("a", 1);
    REQUIRE_FALSE(values);
    CHECK(values.error().code == errc::unsupported);
    CHECK(values.error().offset == 8 + header.size());
    CHECK(values.error().message == "expected F32 [1] for the tensor \"a\", found it at byte " +
                                        std::to_string(8 + header.size()) +
                                        ", at an address that is not a multiple of 4; save the file again with blanks "
                                        "after the header, or copy find()->data");
    const auto nothing = model->values<float>("e", 0);
    REQUIRE(nothing);
    CHECK(nothing->empty());
}

TEST_CASE_TEMPLATE("every C++ element type has its dtype", T, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                   std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, float, double) {
    constexpr auto dtype = *detail::dtype_of<T>;
    CHECK(qlroute::size_of(dtype) == sizeof(T));
    const T value = static_cast<T>(42);
    std::string data(sizeof(T), '\0');
    std::memcpy(data.data(), &value, sizeof(T));
    const auto file =
        file_of(padded(one_tensor("\"dtype\":\"" + std::string(name_of(dtype)) +
                                  "\",\"shape\":[1],\"data_offsets\":[0," + std::to_string(sizeof(T)) + "]")),
                data);
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    const auto values = model->template values<T>("a", 1);
    REQUIRE(values);
    CHECK(values->front() == value);
}

TEST_CASE("every dtype of the format is known, with its size") {
    const std::pair<std::string_view, int> dtypes[] = {
        {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
        {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8},     {"U64", 8}, {"F64", 8}};
    for (const auto& one : dtypes) {
        const auto& name = one.first;
        const auto& size = one.second;
        CAPTURE(name);
        const std::string data(static_cast<std::size_t>(size), 'x');
        const auto file = file_of(one_tensor("\"dtype\":\"" + std::string(name) +
                                             "\",\"shape\":[],\"data_offsets\":[0," + std::to_string(size) + "]"),
                                  data);
        const auto model = safetensors::parse(file);
        REQUIRE(model);
        CHECK(name_of(model->tensors()[0].dtype) == name);
        CHECK(static_cast<int>(size_of(model->tensors()[0].dtype)) == size);
    }
}

TEST_CASE("metadata are strings by key") {
    const auto file = three_tensor_file();
    const auto model = safetensors::parse(file);
    REQUIRE(model);
    CHECK(model->metadata("format") == "pt");
    CHECK(model->metadata("made by") == "a \"test\"");
    CHECK_FALSE(model->metadata("w"));
    CHECK_FALSE(model->metadata(""));
    CHECK_FALSE(safetensors().metadata("format"));
}

TEST_CASE("a file without tensors is a file") {
    for (const char* header : {"{}", "{ }", "{\"__metadata__\":{}}", "{}   \n"}) {
        CAPTURE(header);
        const auto file = file_of(header, "");
        const auto model = safetensors::parse(file);
        REQUIRE(model);
        CHECK(model->tensors().empty());
    }
    CHECK(safetensors().tensors().empty());
    CHECK(safetensors().find("a") == nullptr);
}

TEST_CASE("a move keeps every view, also of names with escapes") {
    const auto file = three_tensor_file();
    auto model = safetensors::parse(file);
    REQUIRE(model);
    const auto* tensor = model->find("na\xC3\xAFve");
    safetensors moved = *std::move(model);
    CHECK(moved.find("na\xC3\xAFve") == tensor);
    CHECK(tensor->name == "na\xC3\xAFve");
    CHECK(tensor->shape.front() == 3);
    safetensors assigned;
    assigned = std::move(moved);
    CHECK(assigned.find("na\xC3\xAFve") == tensor);
    CHECK(assigned.metadata("made by") == "a \"test\"");
}

TEST_CASE("strings may use every escape of JSON") {
    const std::pair<std::string_view, std::string_view> strings[] = {
        {R"(\"\\\/\b\f\n\r\t)", "\"\\/\b\f\n\r\t"},
        {R"(x\u0041y)", "xAy"},
        {R"(\u00e9\u00E9)", "\xC3\xA9\xC3\xA9"},
        {R"(\u20ac)", "\xE2\x82\xAC"},
        {R"(\ud83d\ude00)", "\xF0\x9F\x98\x80"},
        {R"(\uDBFF\uDFFF)", "\xF4\x8F\xBF\xBF"},
        {R"(a\u0000b)", std::string_view("a\0b", 3)},
        {"\xF0\x9F\x98\x80 \xEF\xBF\xBF", "\xF0\x9F\x98\x80 \xEF\xBF\xBF"},
        {"\x7F", "\x7F"},
        {"", ""},
    };
    for (const auto& one : strings) {
        const auto& written = one.first;
        const auto& meant = one.second;
        CAPTURE(written);
        const auto file = file_of("{\"__metadata__\":{\"key\":\"" + std::string(written) + "\"},\"" +
                                      std::string(written) + "\":{" + std::string(valid_member) + "}}",
                                  four_bytes);
        const auto model = safetensors::parse(file);
        REQUIRE(model);
        CHECK(model->metadata("key") == meant);
        CHECK(model->find(meant) != nullptr);
    }
}

TEST_CASE("opening a file keeps it mapped") {
    const auto path = std::filesystem::temp_directory_path() /
                      ("qlroute_safetensors_" + std::to_string(std::random_device{}()) + ".safetensors");
    const auto bytes = three_tensor_file();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    {
        auto model = safetensors::open(path.string());
        REQUIRE(model);
        const safetensors moved = *std::move(model);
        const auto w = moved.values<float>("w", 2, 3);
        REQUIRE(w);
        CHECK((*w)[5] == 6);
    }
    std::filesystem::remove(path);
}

TEST_CASE("a file that cannot be opened or parsed is reported with its path") {
    const auto missing = safetensors::open("no/such/model.safetensors");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == errc::missing);
    CHECK(missing.error().message ==
          "cannot open \"no/such/model.safetensors\": No such file or directory; check the path");

    const auto path = std::filesystem::temp_directory_path() /
                      ("qlroute_safetensors_" + std::to_string(std::random_device{}()) + ".safetensors");
    std::ofstream(path, std::ios::binary) << "oops";
    const auto broken = safetensors::open(path.string());
    std::filesystem::remove(path);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().code == errc::malformed);
    CHECK(broken.error().offset == 4);
    CHECK(broken.error().message == "cannot read \"" + path.string() +
                                        "\": byte 4: a safetensors file begins with the length of its header in 8 "
                                        "bytes, but this one has 4 bytes");
}

TEST_CASE("a wrong header length is found before anything is read") {
    expect_error({}, errc::malformed, 0,
                 "a safetensors file begins with the length of its header in 8 bytes, but this one has 0 bytes");
    expect_error(
        file_of(100'000'001, "{}", ""), errc::out_of_range, 0,
        "the header's length is 100000001, more than the format's limit of 100000000; is this a safetensors file?");
    expect_error(file_of(~std::uint64_t{0}, "{}", ""), errc::out_of_range, 0,
                 "the header's length is 18446744073709551615, more than the format's limit of 100000000; is this a "
                 "safetensors file?");
    expect_error(file_of(3, "{}", ""), errc::out_of_range, 0,
                 "the header's length is 3, but only 2 bytes follow; the file is truncated or not a safetensors file");
    expect_error(
        file_of(100'000'000, "{}", ""), errc::out_of_range, 0,
        "the header's length is 100000000, but only 2 bytes follow; the file is truncated or not a safetensors file");
}

TEST_CASE("the header must be one object and nothing else") {
    expect_error(file_of(0, "", ""), errc::malformed, 8, "the header must begin with '{'");
    expect_error(file_of(" {}", ""), errc::malformed, 8, "the header must begin with '{'");
    expect_error(file_of("[]", ""), errc::malformed, 8, "the header must begin with '{'");
    expect_error(file_of("{", ""), errc::malformed, 9, "expected a string in quotes, found the end of the header");
    expect_error(file_of("{} x", ""), errc::malformed, 11,
                 "expected nothing but blanks after the header's last '}', found \"x\"");
    expect_error(file_of(std::string_view("{}\0", 3), ""), errc::malformed, 10,
                 "expected nothing but blanks after the header's last '}', found \"\\x00\"");
}

TEST_CASE("a mistake in the JSON is reported where it is") {
    const std::string valid(valid_member);
    expect_error("{a:1}", "a", "expected a string in quotes, found \"a\"");
    expect_error("{\"a\" 1}", "1", "expected ':' after a key, found \"1\"");
    expect_error("{\"a\":1}", "1", "expected '{' before a member of a tensor, found \"1\"");
    expect_error("{\"a\":null}", "null", "expected '{' before a member of a tensor, found \"n\"");
    expect_error(file_of("{\"a\":{" + valid + "},}", ""), errc::malformed, 8 + 8 + valid.size(),
                 "expected a string in quotes, found \"}\"");
    expect_error(file_of("{\"a\":{" + valid + ",}}", ""), errc::malformed, 8 + 7 + valid.size(),
                 "expected a string in quotes, found \"}\"");
    expect_error("{\"a\":{" + valid + "}; }", ";", "expected ',' or '}' after a tensor, found \";\"");
    expect_error("{\"a\":{" + valid + "\xC3\xA9}}", "\xC3\xA9",
                 "expected ',' or '}' after a member of a tensor, found \"\xC3\xA9\"");
    expect_error(R"({"a":{"dtype":U8}})", "U8", "expected a string in quotes, found \"U\"");
    expect_error(R"({"a":{"shape":4}})", "4", "expected '[' before whole numbers, found \"4\"");
    expect_error(R"({"a":{"shape":[4;5]}})", ";", "expected ',' or ']' after a whole number, found \";\"");
    expect_error(R"({"a":{"shape":[4,]}})", "]", "expected a whole number, found \"]\"");
    expect_error(R"({"a":{"shape":[[4]]}})", "[4]", "expected a whole number, found \"[\"");
    expect_error(R"({"a":{"shape":[-1]}})", "-1", "expected a whole number, found \"-\"");
    expect_error(R"({"a":{"shape":["4"]}})", "\"4\"", "expected a whole number, found \"\"\"");
    expect_error(R"({"a":{"shape":[4.0]}})", "4.0", "expected a whole number, found a fraction or an exponent");
    expect_error(R"({"a":{"shape":[4e0]}})", "4e0", "expected a whole number, found a fraction or an exponent");
    expect_error(R"({"a":{"shape":[04]}})", "04", "a number may not begin with 0");
    expect_error(R"({"a":{"shape":[00]}})", "00", "a number may not begin with 0");
    expect_error(R"({"a":{"shape":[18446744073709551616]}})", "18446744073709551616",
                 "this number does not fit into 64 bits", errc::out_of_range);
    expect_error(R"({"__metadata__":{"a":1}})", "1", "expected a string in quotes, found \"1\"");
    expect_error(R"({"__metadata__":null})", "null", "expected '{' before metadata, found \"n\"");
    expect_error(R"({"__metadata__":{"a":"b",}})", "}}", "expected a string in quotes, found \"}\"");
}

TEST_CASE("a mistake in a string is reported where it is") {
    expect_error("{\"abc", "\"abc", "this string does not end");
    expect_error("{\"abc\\\"", "\"abc", "this string does not end");
    expect_error("{\"a\nb\"", "\n", "a control character in a string must be escaped, found \"\\x0a\"");
    expect_error(R"({"a\x"})", "\\", "there is no such escape in JSON");
    expect_error(R"({"a\)", "\\", "there is no such escape in JSON");
    expect_error(R"({"a\u12"})", "\\", "expected four hexadecimal digits after \\u");
    expect_error(R"({"a\u12g4"})", "\\", "expected four hexadecimal digits after \\u");
    expect_error(R"({"a\u)", "\\", "expected four hexadecimal digits after \\u");
    for (const char* half :
         {R"({"a\ud83d"})", R"({"a\ud83dxude00"})", R"({"a\ud83d\n"})", R"({"a\ud83d\ud83d"})", R"({"a\ude00"})",
          R"({"a\ud83d\u0041"})", R"({"a\ud83d\u)", R"({"a\ud83d\)", R"({"a\ud83d)"})
        expect_error(half, "\\", "half of a surrogate pair");
    for (const char* bytes :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3\x28", "\xE0\x80\x80", "\xE2\x82", "\xED\xA0\x80",
          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xF0\x9F\x98"})
        expect_error("{\"" + std::string(bytes) + "\":1}", bytes, "this string is not UTF-8");
}

TEST_CASE("a tensor has exactly its three members") {
    expect_error(one_tensor(R"("shape":[4],"data_offsets":[0,4])"), "\"a\"", "the tensor \"a\" has no \"dtype\"");
    expect_error(one_tensor(R"("dtype":"U8","data_offsets":[0,4])"), "\"a\"", "the tensor \"a\" has no \"shape\"");
    expect_error(one_tensor(R"("dtype":"U8","shape":[4])"), "\"a\"", "the tensor \"a\" has no \"data_offsets\"");
    expect_error(one_tensor(""), "\"a\"", "the tensor \"a\" has no \"dtype\"");
    expect_error(one_tensor(std::string(valid_member) + R"(,"strides":[1])"), "\"strides\"",
                 "a tensor has \"dtype\", \"shape\" and \"data_offsets\", but no \"strides\"");
    for (const char* again : {R"("dtype" :"U8")", R"("shape" :[4])", R"("data_offsets" :[0,4])"}) {
        const std::string text = again;
        const std::string key = text.substr(0, text.find(' '));
        expect_error(one_tensor(std::string(valid_member) + ',' + text), text,
                     "the tensor \"a\" has " + key + " twice");
    }
    expect_error(one_tensor(R"("data_offsets":[0])"), "[0]", "\"data_offsets\" must be two numbers, [begin, end]");
    expect_error(one_tensor(R"("data_offsets":[])"), "[]", "\"data_offsets\" must be two numbers, [begin, end]");
    expect_error(one_tensor(R"("data_offsets":[0,4,8])"), "[0", "\"data_offsets\" must be two numbers, [begin, end]");
}

TEST_CASE("an unknown dtype is reported with those that are known") {
    expect_error(one_tensor(R"("dtype":"F4","shape":[4],"data_offsets":[0,4])"), "\"F4\"",
                 "unknown dtype \"F4\"; known are BOOL U8 I8 F8_E4M3 F8_E5M2 I16 U16 F16 BF16 I32 U32 F32 I64 U64 F64",
                 errc::unsupported);
    expect_error(one_tensor(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), "\"f32\"",
                 "unknown dtype \"f32\"; known are BOOL U8 I8 F8_E4M3 F8_E5M2 I16 U16 F16 BF16 I32 U32 F32 I64 U64 F64",
                 errc::unsupported);
}

TEST_CASE("no name is given twice, however it is written") {
    const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
    const std::string b = R"("\u0061":{"dtype":"U8","shape":[2],"data_offsets":[2,4]})";
    expect_error("{" + a + "," + b + "}", "\"\\u0061\"", "the tensor \"a\" is given twice");
    expect_error(R"({"__metadata__":{"k":"1","j":"2","\u006b":"3"}})", "\"\\u006b\"",
                 "the metadata \"k\" is given twice");
    expect_error(R"({"__metadata__":{}, "\u005f_metadata__":{}})", "\"\\u005f", "\"__metadata__\" is given twice");
}

TEST_CASE("offsets must cover the data without holes or overlaps") {
    const auto two = [](std::string_view first, std::string_view second) {
        return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(first) +
               R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(second) + "}}";
    };
    const auto range = errc::out_of_range;
    const auto file = file_of(two("[2,4]", "[0,2]"), four_bytes);
    const auto reversed = safetensors::parse(file);
    REQUIRE(reversed);
    CHECK(reversed->tensors()[0].name == "b");
    expect_error(two("[0,2]", "[1,3]"), "\"b\"",
                 "the tensor \"b\" has data_offsets [1, 3], which overlap the tensor before it; that one ends at 2",
                 range);
    expect_error(two("[0,2]", "[0,2]"), "\"b\"",
                 "the tensor \"b\" has data_offsets [0, 2], which overlap the tensor before it; that one ends at 2",
                 range);
    expect_error(two("[0,2]", "[3,5]"), "\"b\"",
                 "the tensor \"b\" has data_offsets [3, 5], which leave a hole: the tensor before it ends at 2", range,
                 "12345");
    expect_error(two("[1,3]", "[3,5]"), "\"a\"",
                 "the tensor \"a\" has data_offsets [1, 3], which leave a hole: the tensor before it ends at 0", range,
                 "12345");
    expect_error(two("[2,0]", "[0,2]"), "\"a\"",
                 "the tensor \"a\" has data_offsets [2, 0], which end before they begin", range);
    expect_error(two("[0,2]", "[2,4]"), "\"b\"",
                 "the tensor \"b\" has data_offsets [2, 4], but the data is only 3 bytes long; the file is truncated",
                 range, "123");
    const std::string both = two("[0,2]", "[2,4]");
    expect_error(file_of(both, "12345"), range, 8 + both.size() + 4,
                 "the data is 5 bytes long, but the tensors end at 4");
    expect_error(file_of("{}", "1"), range, 10, "the data is 1 bytes long, but the tensors end at 0");
    expect_error(
        two("[0,2]", "[2,18446744073709551615]"), "\"b\"",
        "the tensor \"b\" has data_offsets [2, 18446744073709551615], but the data is only 4 bytes long; the file "
        "is truncated",
        range);
}

TEST_CASE("shape, dtype and offsets must agree") {
    expect_error(one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "\"a\"",
                 "the tensor \"a\" has F32 [2], which is 8 bytes, but its data_offsets [0, 4] are 4",
                 errc::out_of_range);
    expect_error(one_tensor(R"("dtype":"U8","shape":[],"data_offsets":[0,4])"), "\"a\"",
                 "the tensor \"a\" has U8 [], which is 1 bytes, but its data_offsets [0, 4] are 4", errc::out_of_range);
    expect_error(one_tensor(R"("dtype":"U8","shape":[0],"data_offsets":[0,4])"), "\"a\"",
                 "the tensor \"a\" has U8 [0], which is 0 bytes, but its data_offsets [0, 4] are 4",
                 errc::out_of_range);
    expect_error(
        one_tensor(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), "\"a\"",
        "the tensor \"a\" has U8 [1, 1, 1, 1, 1, 1, 1, 1, ...], which is 1 bytes, but its data_offsets [0, 4] are 4",
        errc::out_of_range);
}

TEST_CASE("a shape whose product overflows is no small tensor") {
    for (const char* shape :
         {"[4294967296, 4294967296, 4]", "[9223372036854775808, 2]", "[18446744073709551615, 2, 0]"}) {
        expect_error(one_tensor(R"("dtype":"U8","shape":)" + std::string(shape) + R"(,"data_offsets":[0,4])"), "\"a\"",
                     "the tensor \"a\" has shape " + std::string(shape) + ", whose size does not fit into 64 bits",
                     errc::out_of_range);
    }
    expect_error(one_tensor(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"), "\"a\"",
                 "the tensor \"a\" has shape [4611686018427387905], whose size does not fit into 64 bits",
                 errc::out_of_range);
}

TEST_CASE("deep nesting is an error, not a crash") {
    const std::string brackets(200'000, '[');
    const std::string braces(200'000, '{');
    CHECK_FALSE(safetensors::parse(file_of(one_tensor("\"shape\":" + brackets), "")));
    CHECK_FALSE(safetensors::parse(file_of("{\"a\":" + braces, "")));
    CHECK_FALSE(safetensors::parse(file_of("{\"__metadata__\":" + braces, "")));
}

namespace {

/// What parse() promises of anything it accepts.
bool keeps_its_promises(const safetensors& model, const file_bytes& file) {
    const auto* end = file.data() + file.size();
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), 8);
    const std::byte* covered = file.data() + 8 + header;
    std::uint64_t touched = 0;
    for (const auto& one : model.tensors()) {
        std::uint64_t size = size_of(one.dtype);
        for (const auto dimension : one.shape) size *= dimension;
        if (size != one.data.size()) return false;
        if (one.data.data() != covered || one.data.size() > static_cast<std::size_t>(end - covered)) return false;
        if (model.find(one.name) != &one) return false;
        covered = one.data.data() + one.data.size();
        for (const auto byte : one.data) touched += static_cast<std::uint64_t>(byte);
    }
    return covered == end && touched <= 255 * file.size();
}

}  // namespace

TEST_CASE("no change to a valid file can crash the parser or break its promises") {
    const std::string_view tokens[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\\ud83d",
                                       "\\u00",
                                       "\\n",
                                       "0",
                                       "4",
                                       "24",
                                       "-1",
                                       "1e9",
                                       "\"U8\"",
                                       "\"a\"",
                                       "\"F64\"",
                                       "\"w\":",
                                       "\"shape\"",
                                       "\"dtype\"",
                                       "__metadata__",
                                       "18446744073709551615",
                                       "[0,4]",
                                       "\xC3",
                                       "\xF0\x9F",
                                       "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"};
    const file_bytes seeds[] = {three_tensor_file(), file_of("{}", ""), file_of(one_tensor(valid_member), four_bytes),
                                file_of("{\"__metadata__\":{\"\\ud83d\\ude00\":\"x\"}}", "")};
    std::mt19937 random(20240611);
    const auto below = [&random](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
    int accepted = 0;
    int rejected = 0;
    bool all_fine = true;
    for (int round = 0; round < 20'000; ++round) {
        file_bytes file = seeds[below(std::size(seeds))];
        for (auto changes = 1 + below(3); changes > 0; --changes) {
            const auto where = static_cast<std::ptrdiff_t>(below(file.size()));
            switch (below(6)) {
                case 0:  // another byte
                    if (!file.empty()) file[static_cast<std::size_t>(where)] = static_cast<std::byte>(below(256));
                    break;
                case 1:  // one digit more or less
                    if (!file.empty()) file[static_cast<std::size_t>(where)] ^= std::byte{1};
                    break;
                case 2:  // truncation
                    if (below(4) == 0) file.resize(static_cast<std::size_t>(where));
                    break;
                case 3: {  // a piece of grammar
                    const auto token = std::as_bytes(std::span(tokens[below(std::size(tokens))]));
                    file.insert(file.begin() + where, token.begin(), token.end());
                    break;
                }
                case 4: {  // a deletion
                    const auto most = std::min<std::size_t>(file.size() - static_cast<std::size_t>(where), 6);
                    file.erase(file.begin() + where,
                               file.begin() + where + static_cast<std::ptrdiff_t>(below(most + 1)));
                    break;
                }
                default:  // more data
                    file.resize(file.size() + below(9));
                    break;
            }
        }
        // else nearly every insertion would only be found to have the wrong length
        if (file.size() >= 8 && below(2) == 0) {
            const std::uint64_t data = std::min<std::size_t>(file.size() - 8, below(2) == 0 ? 35 : below(5));
            const std::uint64_t length = file.size() - 8 - data;
            std::memcpy(file.data(), &length, 8);
        }
        const auto model = safetensors::parse(file);
        if (model) {
            ++accepted;
            all_fine = all_fine && keeps_its_promises(*model, file);
        } else {
            ++rejected;
            all_fine = all_fine && !model.error().message.empty() && model.error().offset <= file.size();
        }
    }
    CHECK(all_fine);
    CHECK(accepted > 100);
    CHECK(rejected > 10'000);
}
