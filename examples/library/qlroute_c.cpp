// The border: pointers are checked, exceptions become statuses, texts are copied out.
#include "json_router.hpp"

#include <qlroute/qlroute.h>

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>

struct qlroute_router {
    json_router spoken_to;
};

namespace {

/// Said without allocating: the only text that is not freed.
char out_of_memory[] = "out of memory";

struct bad_call : std::runtime_error {
    using std::runtime_error::runtime_error;
};

char* copy_of(std::string_view text) {
    char* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
}

/// Messages quote what was sent, which need not be UTF-8.
std::string in_utf8(std::string_view text) {
    using nlohmann::json;
    return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

qlroute_status say(char** error, qlroute_status status, const char* what) noexcept {
    if (error == nullptr) return status;
    try {
        *error = copy_of(in_utf8(what));
    } catch (...) {
        *error = out_of_memory;
    }
    return status;
}

/// Does `work`, and says what came of it. `usage`: what a usage_error of it means.
qlroute_status guarded(char** error, qlroute_status usage, auto work) noexcept {
    if (error != nullptr) *error = nullptr;
    try {
        work();
        return QLROUTE_OK;
    } catch (const bad_call& why) {
        return say(error, QLROUTE_BAD_CALL, why.what());
    } catch (const unknown_endpoint& why) {
        return say(error, QLROUTE_UNKNOWN_ENDPOINT, why.what());
    } catch (const usage_error& why) {
        return say(error, usage, why.what());
    } catch (const std::bad_alloc&) {
        if (error != nullptr) *error = out_of_memory;
        return QLROUTE_OUT_OF_MEMORY;
    } catch (const std::length_error&) {  // of a text or a list that is larger than any memory
        if (error != nullptr) *error = out_of_memory;
        return QLROUTE_OUT_OF_MEMORY;
    } catch (const std::exception& why) {
        return say(error, QLROUTE_FAULT, why.what());
    } catch (...) {
        return say(error, QLROUTE_FAULT, "an exception that says nothing of itself");
    }
}

void need(const void* pointer, const char* call, const char* name) {
    if (pointer == nullptr) throw bad_call(std::string(call) + ": " + name + " is NULL");
}

using changes = void (json_router::*)(std::string_view);

/// A call that only takes.
qlroute_status told(const char* call, qlroute_router* router, const char* request, size_t length, char** error,
                    changes what) noexcept {
    return guarded(error, QLROUTE_BAD_REQUEST, [&] {
        need(router, call, "router");
        need(request, call, "request");
        (router->spoken_to.*what)({request, length});
    });
}

/// A call that gives a text: `answer` of the router.
qlroute_status asked(const char* call, qlroute_router* router, char** text, const char* name, char** error,
                     auto answer) noexcept {
    if (text != nullptr) *text = nullptr;
    return guarded(error, QLROUTE_BAD_REQUEST, [&] {
        need(router, call, "router");
        need(text, call, name);
        *text = copy_of(answer(router->spoken_to));
    });
}

qlroute_status opened(const char* call, qlroute_router** router, char** error, auto read) noexcept {
    if (router != nullptr) *router = nullptr;
    return guarded(error, QLROUTE_BAD_CONFIG, [&] {
        need(router, call, "router");
        *router = std::unique_ptr<qlroute_router>(new qlroute_router{json_router(read())}).release();
    });
}

}  // namespace

int32_t qlroute_abi(void) { return QLROUTE_ABI; }

const char* qlroute_version(void) {
#define QLROUTE_TEXT_OF(number) #number
#define QLROUTE_TEXT(number) QLROUTE_TEXT_OF(number)
    return QLROUTE_TEXT(QLROUTE_VERSION_MAJOR) "." QLROUTE_TEXT(QLROUTE_VERSION_MINOR) "." QLROUTE_TEXT(
        QLROUTE_VERSION_PATCH);
}

qlroute_status qlroute_new(const char* config, size_t length, qlroute_router** router, char** error) {
    return opened("qlroute_new", router, error, [&] {
        need(config, "qlroute_new", "config");
        const std::string name = "the configuration";
        return settings_from(parse_config(std::string(config, length), name), name);
    });
}

qlroute_status qlroute_load(const char* path, size_t length, qlroute_router** router, char** error) {
    return opened("qlroute_load", router, error, [&] {
        need(path, "qlroute_load", "path");
        const std::string name(path, length);
        if (name.find('\0') != std::string::npos) throw usage_error("qlroute_load: the path has a NUL in it");
        return read_settings(name);
    });
}

void qlroute_free(qlroute_router* router) { delete router; }

void qlroute_free_text(char* text) {
    if (text != out_of_memory) std::free(text);
}

qlroute_status qlroute_score(qlroute_router* router, const char* request, size_t length, char** scores, char** error) {
    return asked("qlroute_score", router, scores, "scores", error, [&](const json_router& r) {
        need(request, "qlroute_score", "request");
        return r.score({request, length});
    });
}

qlroute_status qlroute_route(qlroute_router* router, const char* request, size_t length, char** row, char** error) {
    return asked("qlroute_route", router, row, "row", error, [&](json_router& r) {
        need(request, "qlroute_route", "request");
        return r.route({request, length});
    });
}

qlroute_status qlroute_explain(qlroute_router* router, const char* request, size_t length, char** table, char** error) {
    return asked("qlroute_explain", router, table, "table", error, [&](json_router& r) {
        need(request, "qlroute_explain", "request");
        return r.explain({request, length});
    });
}

qlroute_status qlroute_observe(qlroute_router* router, const char* request, size_t length, char** error) {
    return told("qlroute_observe", router, request, length, error, &json_router::observe);
}

qlroute_status qlroute_answered(qlroute_router* router, const char* request, size_t length, char** error) {
    return told("qlroute_answered", router, request, length, error, &json_router::answered);
}

qlroute_status qlroute_link(qlroute_router* router, const char* request, size_t length, char** error) {
    return told("qlroute_link", router, request, length, error, &json_router::link);
}

qlroute_status qlroute_endpoint(qlroute_router* router, const char* request, size_t length, char** error) {
    return told("qlroute_endpoint", router, request, length, error, &json_router::endpoint);
}

qlroute_status qlroute_describe(qlroute_router* router, char** description, char** error) {
    return asked("qlroute_describe", router, description, "description", error,
                 [](const json_router& r) { return r.describe(); });
}
