// Named tensors in a file: the safetensors format, checked completely and never copied.
//
//   auto model = safetensors::open("bert-tiny.safetensors");
//   if (!model) return complain(model.error().message);
//   auto bias = model->values<float>("encoder.bias", 128);     // a std::span<const float> of 128
//
// The file is: the length N of the header (8 bytes, little-endian), the header (N bytes of JSON), the
// data. The header maps each tensor's name to {"dtype", "shape", "data_offsets": [begin, end)}, where
// offsets count from the start of the data, and "__metadata__" to strings.
#pragma once

#include <qlroute/core/result.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/number.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

static_assert(std::endian::native == std::endian::little,
              "qlroute: safetensors are little-endian and used in place, so this machine must be little-endian too");

/// What one element of a tensor is.
enum class tensor_dtype { boolean, u8, i8, f8_e4m3, f8_e5m2, i16, u16, f16, bf16, i32, u32, f32, i64, u64, f64 };

namespace detail {

struct dtype_facts {
    std::string_view name;
    std::uint64_t size;  // bytes
};

/// In the order of tensor_dtype.
inline constexpr std::array<dtype_facts, 15> dtypes{{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"F8_E4M3", 1},
    {"F8_E5M2", 1},
    {"I16", 2},
    {"U16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"I32", 4},
    {"U32", 4},
    {"F32", 4},
    {"I64", 8},
    {"U64", 8},
    {"F64", 8},
}};

template <class T>
inline constexpr std::optional<tensor_dtype> dtype_of = std::nullopt;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::uint8_t> = tensor_dtype::u8;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::int8_t> = tensor_dtype::i8;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::int16_t> = tensor_dtype::i16;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::uint16_t> = tensor_dtype::u16;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::int32_t> = tensor_dtype::i32;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::uint32_t> = tensor_dtype::u32;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<float> = tensor_dtype::f32;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::int64_t> = tensor_dtype::i64;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<std::uint64_t> = tensor_dtype::u64;
template <>
inline constexpr std::optional<tensor_dtype> dtype_of<double> = tensor_dtype::f64;

}  // namespace detail

/// "F32", "BF16", ...: as the format spells it.
constexpr std::string_view name_of(tensor_dtype dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].name; }

/// Bytes per element.
constexpr std::uint64_t size_of(tensor_dtype dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].size; }

/// A C++ type that some dtype is made of: fixed-width integers, float and double. There is none for
/// BOOL (a byte of it need not be 0 or 1), F16, BF16 and F8: convert tensor_view::data yourself.
template <class T>
concept tensor_element = static_cast<bool>(detail::dtype_of<T>);

/// One tensor, row-major. Lifetime: that of the safetensors it came from, and of its bytes.
struct tensor_view {
    std::string_view name;
    tensor_dtype dtype = tensor_dtype::f32;
    std::span<const std::uint64_t> shape;  ///< empty for a scalar, which has one element
    std::span<const std::byte> data;       ///< product of shape * size_of(dtype) bytes, of any alignment
};

namespace detail {

/// A tensor as the header describes it; every number is still unchecked.
struct tensor_record {
    std::string_view name;
    tensor_dtype dtype = tensor_dtype::f32;
    std::size_t first_dimension = 0;  // of `rank` in safetensors_header::dimensions
    std::size_t rank = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::size_t where = 0;  // of the name, in bytes from the start of the file
};

struct metadata_record {
    std::string_view key;
    std::string_view value;
    std::size_t where = 0;
};

struct safetensors_header {
    std::vector<tensor_record> tensors;
    std::vector<std::uint64_t> dimensions;
    std::vector<metadata_record> metadata;
    std::list<std::string> unescaped;  // the few strings that are not in the file as they are; never moved
};

/// The error, with its place in the message as well: often the message is all that is printed.
inline error error_at(std::size_t offset, errc code, std::string_view what) {
    return {.code = code, .message = "byte " + std::to_string(offset) + ": " + std::string(what), .offset = offset};
}

/// Length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none.
constexpr std::size_t utf8_length(std::string_view text) {
    const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto between = [byte](std::size_t i, unsigned low, unsigned high) {
        return byte(i) >= low && byte(i) <= high;
    };
    if (text.empty()) return 0;
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return between(1, 0x80, 0xBF) ? 2 : 0;
    // the narrower ranges keep out overlong forms, surrogates, and everything above U+10FFFF
    if (lead >= 0xE0 && lead <= 0xEF)
        return between(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && between(2, 0x80, 0xBF) ? 3 : 0;
    if (lead >= 0xF0 && lead <= 0xF4)
        return between(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && between(2, 0x80, 0xBF) &&
                       between(3, 0x80, 0xBF)
                   ? 4
                   : 0;
    return 0;
}

inline void append_utf8(std::string& out, unsigned code) {
    const auto put = [&out](unsigned byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

/// JSON, but only the shape of it that a header can have. One function per kind of value, none of which
/// calls itself, so no input can exhaust the stack. Each returns false after the first error.
class safetensors_header_parser {
public:
    safetensors_header_parser(std::string_view text, std::size_t offset, safetensors_header& header)
        : text_(text), offset_(offset), header_(header) {}

    /// {"name": tensor, ..., "__metadata__": {...}}, then blanks until the end.
    bool parse() {
        if (!at('{')) return fail("the header must begin with '{'");
        std::size_t metadata_at = 0;
        const bool read = object("a tensor", [&](std::string_view name, std::size_t where) {
            if (name != "__metadata__") return tensor(name, where);
            if (metadata_at != 0) return fail("\"__metadata__\" is given twice", where);
            metadata_at = where;
            return metadata();
        });
        if (!read) return false;
        blanks();
        if (here_ < text_.size())
            return fail("expected nothing but blanks after the header's last '}', found " + found());
        return true;
    }

    const error& why() const { return why_; }

private:
    bool fail(std::string_view what) { return fail(what, offset_ + here_); }
    bool fail(std::string_view what, std::size_t where, errc code = errc::malformed) {
        why_ = error_at(where, code, what);
        return false;
    }

    std::string found() const {
        if (here_ >= text_.size()) return "the end of the header";
        return quoted(text_.substr(here_, std::max<std::size_t>(1, utf8_length(text_.substr(here_)))));
    }

    bool at(char c) const { return here_ < text_.size() && text_[here_] == c; }
    void blanks() {
        while (at(' ') || at('\t') || at('\n') || at('\r')) ++here_;
    }
    bool take(char c, std::string_view where) {
        blanks();
        if (!at(c)) return fail("expected '" + std::string(1, c) + "' " + std::string(where) + ", found " + found());
        ++here_;
        return true;
    }

    /// {"key": member, ...}; `member(key, where)` reads what follows the colon.
    template <class Member>
    bool object(std::string_view what, Member member) {
        if (!take('{', "before " + std::string(what))) return false;
        blanks();
        if (at('}')) return ++here_, true;
        while (true) {
            blanks();
            const std::size_t where = offset_ + here_;
            std::string_view key;
            if (!string(key) || !take(':', "after a key")) return false;
            blanks();
            if (!member(key, where)) return false;
            blanks();
            if (at('}')) return ++here_, true;
            if (!at(',')) return fail("expected ',' or '}' after " + std::string(what) + ", found " + found());
            ++here_;
        }
    }

    /// [1, 2, ...]; `element(number, where)` takes each of them.
    template <class Element>
    bool numbers(Element element) {
        if (!take('[', "before whole numbers")) return false;
        blanks();
        if (at(']')) return ++here_, true;
        while (true) {
            blanks();
            const std::size_t where = offset_ + here_;
            std::uint64_t number = 0;
            if (!whole_number(number) || !element(number, where)) return false;
            blanks();
            if (at(']')) return ++here_, true;
            if (!at(',')) return fail("expected ',' or ']' after a whole number, found " + found());
            ++here_;
        }
    }

    bool whole_number(std::uint64_t& number) {
        const std::size_t first = here_;
        while (here_ < text_.size() && is_digit(text_[here_])) {
            const auto digit = static_cast<std::uint64_t>(text_[here_] - '0');
            if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10)
                return fail("this number does not fit into 64 bits", offset_ + first, errc::out_of_range);
            number = number * 10 + digit;
            ++here_;
        }
        if (here_ == first) return fail("expected a whole number, found " + found());
        if (text_[first] == '0' && here_ - first > 1) return fail("a number may not begin with 0", offset_ + first);
        if (at('.') || at('e') || at('E'))
            return fail("expected a whole number, found a fraction or an exponent", offset_ + first);
        return true;
    }

    /// A string, without its quotes and escapes. Lifetime: that of the header's text and of `header_`.
    bool string(std::string_view& value) {
        if (!at('"')) return fail("expected a string in quotes, found " + found());
        const std::size_t opening = here_++;
        std::size_t copied = here_;  // text before this is in `copy`, if there is one
        std::string* copy = nullptr;
        while (true) {
            if (here_ >= text_.size()) return fail("this string does not end", offset_ + opening);
            const char c = text_[here_];
            if (c == '"') break;
            if (c == '\\') {
                if (copy == nullptr) copy = &header_.unescaped.emplace_back();
                copy->append(text_, copied, here_ - copied);
                if (!escape(*copy)) return false;
                copied = here_;
            } else if (static_cast<unsigned char>(c) < 0x20) {
                return fail("a control character in a string must be escaped, found " + found());
            } else if (const std::size_t length = utf8_length(text_.substr(here_)); length > 0) {
                here_ += length;
            } else {
                return fail("this string is not UTF-8");
            }
        }
        if (copy != nullptr) copy->append(text_, copied, here_ - copied);
        value = copy != nullptr ? std::string_view(*copy) : text_.substr(opening + 1, here_ - opening - 1);
        ++here_;
        return true;
    }

    /// \n, \u00e9, or a pair \ud83d\ude00.
    bool escape(std::string& out) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const std::size_t where = offset_ + here_++;
        if (!at('u')) {
            const auto which = here_ < text_.size() ? letters.find(text_[here_]) : std::string_view::npos;
            if (which == std::string_view::npos) return fail("there is no such escape in JSON", where);
            out += meanings[which];
            ++here_;
            return true;
        }
        unsigned code = 0;
        if (!four_hex_digits(code)) return fail("expected four hexadecimal digits after \\u", where);
        if (code >= 0xD800 && code <= 0xDFFF) {
            unsigned low = 0;
            const bool is_pair = code < 0xDC00 && at('\\') && text_.substr(here_ + 1, 1) == "u" && (++here_, true) &&
                                 four_hex_digits(low) && low >= 0xDC00 && low <= 0xDFFF;
            if (!is_pair) return fail("half of a surrogate pair", where);
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        append_utf8(out, code);
        return true;
    }

    /// At the 'u' of \uXXXX.
    bool four_hex_digits(unsigned& code) {
        if (text_.size() - here_ < 5) return false;
        for (std::size_t i = 1; i <= 4; ++i) {
            const char c = text_[here_ + i];
            const int digit = is_digit(c)            ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) return false;
            code = code * 16 + static_cast<unsigned>(digit);
        }
        here_ += 5;
        return true;
    }

    bool metadata() {
        return object("metadata", [this](std::string_view key, std::size_t where) {
            std::string_view value;
            if (!string(value)) return false;
            header_.metadata.push_back({key, value, where});
            return true;
        });
    }

    bool tensor(std::string_view name, std::size_t where) {
        tensor_record record;
        record.name = name;
        record.where = where;
        record.first_dimension = header_.dimensions.size();
        bool has_dtype = false;
        bool has_shape = false;
        bool has_offsets = false;
        const bool read = object("a member of a tensor", [&](std::string_view key, std::size_t key_at) {
            const auto first_of = [&](bool& seen) {
                if (seen) return fail("the tensor " + quoted(name) + " has " + quoted(key) + " twice", key_at);
                return seen = true;
            };
            if (key == "dtype") return first_of(has_dtype) && dtype(record);
            if (key == "shape") return first_of(has_shape) && shape(record);
            if (key == "data_offsets") return first_of(has_offsets) && offsets(record);
            return fail("a tensor has \"dtype\", \"shape\" and \"data_offsets\", but no " + quoted(key), key_at);
        });
        if (!read) return false;
        const auto needs = [&](bool seen, std::string_view key) {
            return seen || fail("the tensor " + quoted(name) + " has no " + quoted(key), where);
        };
        if (!needs(has_dtype, "dtype") || !needs(has_shape, "shape") || !needs(has_offsets, "data_offsets"))
            return false;
        header_.tensors.push_back(record);
        return true;
    }

    bool dtype(tensor_record& record) {
        const std::size_t where = offset_ + here_;
        std::string_view name;
        if (!string(name)) return false;
        const auto* known =
            std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& one) { return one.name == name; });
        if (known == dtypes.end()) {
            std::string what = "unknown dtype " + quoted(name) + "; known are";
            for (const auto& one : dtypes) what += ' ' + std::string(one.name);
            return fail(what, where, errc::unsupported);
        }
        record.dtype = static_cast<tensor_dtype>(known - dtypes.begin());
        return true;
    }

    bool shape(tensor_record& record) {
        return numbers([&](std::uint64_t number, std::size_t) {
            header_.dimensions.push_back(number);
            ++record.rank;
            return true;
        });
    }

    bool offsets(tensor_record& record) {
        const std::size_t where = offset_ + here_;
        std::size_t count = 0;
        const bool read = numbers([&](std::uint64_t number, std::size_t) {
            (count == 0 ? record.begin : record.end) = number;
            return ++count <= 2 || fail("\"data_offsets\" must be two numbers, [begin, end]", where);
        });
        return read && (count == 2 || fail("\"data_offsets\" must be two numbers, [begin, end]", where));
    }

    std::string_view text_;
    std::size_t offset_;  // of text_ in the file
    std::size_t here_ = 0;
    safetensors_header& header_;
    error why_;
};

/// [384, 128], for messages; a file may claim any number of dimensions, but a message stays short.
inline std::string shape_text(std::span<const std::uint64_t> shape) {
    constexpr std::size_t longest = 8;
    std::string out = "[";
    for (const auto dimension : shape.first(std::min(shape.size(), longest)))
        out += (out.size() > 1 ? ", " : "") + std::to_string(dimension);
    return out += shape.size() > longest ? ", ...]" : "]";
}

inline std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
    if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
    return a * b;
}

}  // namespace detail

/// The tensors of one file, by name.
///
/// After a successful parse() or open() every tensor's data lies inside the file, has exactly the size
/// that its shape and dtype ask for, and overlaps no other; together they are all of the data.
/// Lifetime: views stay valid until this object ends or is assigned to, and are kept by a move.
/// Thread-safety: reading is safe from any number of threads.
class safetensors {
public:
    static constexpr std::uint64_t longest_header = 100'000'000;  ///< bytes, as in the format's definition

    /// No tensors.
    safetensors() = default;

    /// Views of `file`, the bytes of a whole file, which must outlive this object.
    /// Errors: `malformed`, `out_of_range` (numbers that contradict each other or the size of the file) or
    /// `unsupported` (a dtype); each says at which byte of the file.
    static result<safetensors> parse(std::span<const std::byte> file) {
        constexpr std::size_t prefix = sizeof(std::uint64_t);
        if (file.size() < prefix)
            return detail::error_at(
                file.size(), errc::malformed,
                "a safetensors file begins with the length of its header in 8 bytes, but this one has " +
                    std::to_string(file.size()) + " bytes");
        std::uint64_t length = 0;
        std::memcpy(&length, file.data(), prefix);
        if (length > longest_header)
            return detail::error_at(0, errc::out_of_range,
                                    "the header's length is " + std::to_string(length) +
                                        ", more than the format's limit of " + std::to_string(longest_header) +
                                        "; is this a safetensors file?");
        if (length > file.size() - prefix)
            return detail::error_at(0, errc::out_of_range,
                                    "the header's length is " + std::to_string(length) + ", but only " +
                                        std::to_string(file.size() - prefix) +
                                        " bytes follow; the file is truncated or not a safetensors file");

        const std::string_view text(reinterpret_cast<const char*>(file.data()) + prefix,
                                    static_cast<std::size_t>(length));
        detail::safetensors_header header;
        detail::safetensors_header_parser parser(text, prefix, header);
        if (!parser.parse()) return parser.why();

        safetensors out;
        out.data_offset_ = prefix + text.size();
        out.data_ = file.data() + out.data_offset_;
        if (auto why = out.check(header, file.subspan(out.data_offset_))) return *std::move(why);
        out.dimensions_ = std::move(header.dimensions);
        out.unescaped_ = std::move(header.unescaped);
        return out;
    }

    /// The same of a file, which stays mapped as long as this object lives.
    /// Errors: those of mapped_file::open() and parse(), with the path.
    static result<safetensors> open(const std::string& path) {
        auto file = mapped_file::open(path);
        if (!file) return file.error();
        auto out = parse(file->bytes());
        if (!out) {
            error why = out.error();
            why.message = "cannot read \"" + path + "\": " + why.message;
            return why;
        }
        out->file_ = *std::move(file);
        return out;
    }

    safetensors(safetensors&&) = default;
    safetensors& operator=(safetensors&&) = default;
    safetensors(const safetensors&) = delete;
    safetensors& operator=(const safetensors&) = delete;

    /// All tensors, in the order of their data in the file.
    std::span<const tensor_view> tensors() const noexcept { return tensors_; }

    /// The tensor of that name, or null.
    const tensor_view* find(std::string_view name) const noexcept {
        const auto found =
            std::lower_bound(by_name_.begin(), by_name_.end(), name,
                             [this](std::size_t i, std::string_view key) { return tensors_[i].name < key; });
        return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
    }

    /// The "__metadata__" of that key, if there is one.
    std::optional<std::string_view> metadata(std::string_view key) const noexcept {
        const auto found = std::lower_bound(metadata_.begin(), metadata_.end(), key,
                                            [](const auto& one, std::string_view k) { return one.key < k; });
        if (found == metadata_.end() || found->key != key) return std::nullopt;
        return found->value;
    }

    /// The elements of a tensor that must have exactly this type and shape, row-major, in place:
    ///   values<std::int8_t>("dense.weight", 384, 128)   // [384, 128]
    ///   values<float>("scale")                          // one number: a scalar has no dimensions
    /// Errors: `missing`; `malformed` for another type or shape; `unsupported` if the file puts the data at
    /// an address at which this machine cannot read a T. The offset is that of the data in the file.
    template <tensor_element T, std::convertible_to<std::uint64_t>... Dimensions>
    result<std::span<const T>> values(std::string_view name, Dimensions... shape) const {
        const std::array<std::uint64_t, sizeof...(shape)> wanted{static_cast<std::uint64_t>(shape)...};
        const tensor_view* tensor = find(name);
        if (auto why = mismatch(tensor, name, *detail::dtype_of<T>, wanted, alignof(T))) return *std::move(why);
        return std::span<const T>(reinterpret_cast<const T*>(tensor->data.data()), tensor->data.size() / sizeof(T));
    }

private:
    /// Fills the tables, unless the header contradicts itself or the size of the data.
    std::optional<error> check(detail::safetensors_header& header, std::span<const std::byte> data) {
        using detail::error_at;
        using detail::quoted;
        auto& records = header.tensors;
        // The header may list tensors in any order; those without elements stay as the header has them.
        std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
            return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
        });

        by_name_.resize(records.size());
        for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
        std::sort(by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) {
            return std::pair(records[a].name, records[a].where) < std::pair(records[b].name, records[b].where);
        });
        for (std::size_t i = 1; i < by_name_.size(); ++i)
            if (const auto& again = records[by_name_[i]]; again.name == records[by_name_[i - 1]].name)
                return error_at(again.where, errc::malformed, "the tensor " + quoted(again.name) + " is given twice");

        metadata_ = std::move(header.metadata);
        std::sort(metadata_.begin(), metadata_.end(),
                  [](const auto& a, const auto& b) { return std::pair(a.key, a.where) < std::pair(b.key, b.where); });
        for (std::size_t i = 1; i < metadata_.size(); ++i)
            if (metadata_[i].key == metadata_[i - 1].key)
                return error_at(metadata_[i].where, errc::malformed,
                                "the metadata " + quoted(metadata_[i].key) + " is given twice");

        std::uint64_t covered = 0;  // the data before this belongs to the tensors so far
        tensors_.reserve(records.size());
        for (const auto& one : records) {
            const auto wrong = [&one](const std::string& what) {
                return error_at(one.where, errc::out_of_range, "the tensor " + quoted(one.name) + ' ' + what);
            };
            const std::string range = "[" + std::to_string(one.begin) + ", " + std::to_string(one.end) + "]";
            const std::span shape(header.dimensions.data() + one.first_dimension, one.rank);
            if (one.end < one.begin) return wrong("has data_offsets " + range + ", which end before they begin");
            if (one.end > data.size())
                return wrong("has data_offsets " + range + ", but the data is only " + std::to_string(data.size()) +
                             " bytes long; the file is truncated");
            if (one.begin < covered)
                return wrong("has data_offsets " + range + ", which overlap the tensor before it; that one ends at " +
                             std::to_string(covered));
            if (one.begin > covered)
                return wrong("has data_offsets " + range + ", which leave a hole: the tensor before it ends at " +
                             std::to_string(covered));
            std::optional<std::uint64_t> size = 1;
            for (const auto dimension : shape)
                if (size) size = detail::checked_product(*size, dimension);
            if (size) size = detail::checked_product(*size, size_of(one.dtype));
            if (!size)
                return wrong("has shape " + detail::shape_text(shape) + ", whose size does not fit into 64 bits");
            if (*size != one.end - one.begin)
                return wrong("has " + std::string(name_of(one.dtype)) + ' ' + detail::shape_text(shape) +
                             ", which is " + std::to_string(*size) + " bytes, but its data_offsets " + range + " are " +
                             std::to_string(one.end - one.begin));
            covered = one.end;
            tensors_.push_back({one.name, one.dtype, shape,
                                data.subspan(static_cast<std::size_t>(one.begin), static_cast<std::size_t>(*size))});
        }
        if (covered != data.size())
            return error_at(data_offset_ + static_cast<std::size_t>(covered), errc::out_of_range,
                            "the data is " + std::to_string(data.size()) + " bytes long, but the tensors end at " +
                                std::to_string(covered));
        return std::nullopt;
    }

    /// Why `tensor` is not what values() was asked for.
    std::optional<error> mismatch(const tensor_view* tensor, std::string_view name, tensor_dtype dtype,
                                  std::span<const std::uint64_t> shape, std::size_t alignment) const {
        const std::string expected = "expected " + std::string(name_of(dtype)) + ' ' + detail::shape_text(shape) +
                                     " for the tensor " + detail::quoted(name) + ", found ";
        if (tensor == nullptr) return error{.code = errc::missing, .message = expected + "no tensor of that name"};
        const std::size_t offset = data_offset_ + static_cast<std::size_t>(tensor->data.data() - data_);
        if (tensor->dtype != dtype || !std::ranges::equal(tensor->shape, shape))
            return error{
                .code = errc::malformed,
                .message = expected + std::string(name_of(tensor->dtype)) + ' ' + detail::shape_text(tensor->shape),
                .offset = offset};
        if (!tensor->data.empty() && reinterpret_cast<std::uintptr_t>(tensor->data.data()) % alignment != 0)
            return error{.code = errc::unsupported,
                         .message = expected + "it at byte " + std::to_string(offset) +
                                    ", at an address that is not a multiple of " + std::to_string(alignment) +
                                    "; save the file again with blanks after the header, or copy find()->data",
                         .offset = offset};
        return std::nullopt;
    }

    mapped_file file_;                               // empty after parse()
    std::list<std::string> unescaped_;               // names and metadata that had escapes
    std::vector<std::uint64_t> dimensions_;          // all shapes, one after the other
    std::vector<tensor_view> tensors_;               // by their place in the data
    std::vector<std::size_t> by_name_;               // into tensors_, sorted
    std::vector<detail::metadata_record> metadata_;  // sorted by key
    const std::byte* data_ = nullptr;                // of all tensors
    std::size_t data_offset_ = 0;                    // of data_ in the file
};

}  // namespace qlroute
