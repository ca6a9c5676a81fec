// Writes what safetensors.hpp reads.
//
//   safetensors_writer file;
//   file.metadata("format", "mine");
//   file.tensor<float>("bias", {128}, bias);
//   const aligned_bytes image = file.image();     // the bytes of the whole file
#pragma once

#include <qlroute/core/aligned.hpp>
#include <qlroute/core/config.hpp>
#include <qlroute/io/safetensors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

/// Tensors whose size is a multiple of 64 bytes come first in the file, so that each begins at a multiple of 64; after
/// them the others, those of larger elements first, so that each element lies where it can be read.
class safetensors_writer {
public:
    /// The last value of a key counts.
    void metadata(std::string key, std::string value) { metadata_[std::move(key)] = std::move(value); }

    /// A tensor, row-major; its values are copied. Preconditions: the name is new, the product of the shape is the
    /// number of values.
    template <tensor_element T>
    void tensor(std::string name, std::vector<std::uint64_t> shape, std::span<const T> values) {
        std::uint64_t count = 1;
        for (const auto dimension : shape) count *= dimension;
        QLROUTE_EXPECTS(count == values.size());
        static_cast<void>(count);
        one each{std::move(name), *detail::dtype_of<T>, std::move(shape), std::vector<std::byte>(values.size_bytes())};
        if (!values.empty()) std::memcpy(each.data.data(), values.data(), values.size_bytes());
        tensors_.push_back(std::move(each));
    }

    aligned_bytes image() const {
        std::vector<const one*> order;
        for (const one& each : tensors_) order.push_back(&each);
        std::stable_sort(order.begin(), order.end(), [](const one* a, const one* b) { return rank(*a) < rank(*b); });

        std::string header = "{";
        if (!metadata_.empty()) {
            header += "\"__metadata__\":{";
            for (const auto& [key, value] : metadata_) header += json(key) + ':' + json(value) + ',';
            header.back() = '}';
            header += ',';
        }
        std::size_t end = 0;
        for (const one* each : order) {
            header += json(each->name) + ":{\"dtype\":\"" + std::string(name_of(each->dtype)) + "\",\"shape\":[";
            for (const auto dimension : each->shape) header += std::to_string(dimension) + ',';
            if (!each->shape.empty()) header.pop_back();
            header +=
                "],\"data_offsets\":[" + std::to_string(end) + ',' + std::to_string(end + each->data.size()) + "]},";
            end += each->data.size();
        }
        if (header.back() == ',') header.pop_back();
        header += '}';
        constexpr std::size_t prefix = sizeof(std::uint64_t);
        header.resize(round_up(prefix + header.size(), sizeof(cache_line)) - prefix, ' ');

        aligned_bytes out(prefix + header.size() + end);
        const std::uint64_t length = header.size();
        std::byte* at = out.data();
        const auto put = [&at](const void* from, std::size_t size) {
            if (size != 0) std::memcpy(at, from, size);
            at += size;
        };
        put(&length, prefix);
        put(header.data(), header.size());
        for (const one* each : order) put(each->data.data(), each->data.size());
        return out;
    }

private:
    struct one {
        std::string name;
        tensor_dtype dtype;
        std::vector<std::uint64_t> shape;
        std::vector<std::byte> data;
    };

    static std::uint64_t rank(const one& each) {
        return each.data.size() % sizeof(cache_line) == 0 ? 0 : 9 - size_of(each.dtype);
    }

    static std::string json(std::string_view text) {
        constexpr char hex[] = "0123456789abcdef";
        std::string out = "\"";
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') (out += '\\') += c;
            else if (byte < 0x20) ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
            else out += c;
        }
        return out += '"';
    }

    std::vector<one> tensors_;
    std::map<std::string, std::string> metadata_;
};

}  // namespace qlroute
