// A value, or the reason why there is none. For files and data; a decision has no errors.
#pragma once

#include <qlroute/core/config.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <variant>

namespace qlroute {

enum class errc {
    missing,       ///< a file, a key or a tensor is not there
    malformed,     ///< it is there, but not in the format
    out_of_range,  ///< it can be read, but its value makes no sense
    unsupported,   ///< it makes sense, but this build cannot use it
};

/// What is wrong, where, and what to do.
struct error {
    errc code = errc::malformed;
    std::string message;
    std::size_t offset = 0;  ///< bytes from the start of the input, where that has a meaning
};

/// Either a T or an error. The same type in C++20 and C++23 (std::expected exists in only one of them).
///
///   auto model = safetensors::open("m.safetensors");
///   if (!model) return complain(model.error().message);
///   use(*model);
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    result(qlroute::error why) : state_(std::in_place_index<1>, std::move(why)) {}

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// Precondition: has_value().
    const T& operator*() const& noexcept { return *checked<0>(state_); }
    T& operator*() & noexcept { return *checked<0>(state_); }
    T&& operator*() && noexcept { return std::move(*checked<0>(state_)); }
    const T* operator->() const noexcept { return checked<0>(state_); }
    T* operator->() noexcept { return checked<0>(state_); }

    /// Precondition: !has_value().
    const qlroute::error& error() const& noexcept { return *checked<1>(state_); }

private:
    template <std::size_t Index, class State>
    static auto* checked(State& state) noexcept {
        auto* value = std::get_if<Index>(&state);
        QLROUTE_EXPECTS(value != nullptr);
        return value;
    }

    std::variant<T, qlroute::error> state_;
};

}  // namespace qlroute
