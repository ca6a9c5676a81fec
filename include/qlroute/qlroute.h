// The router of a configuration file behind a C interface: what libqlroute.so exports. docs/c-api.md says what the JSON
// texts hold.
//
//   char *error = NULL, *row = NULL;
//   qlroute_router *router = NULL;
//   if (qlroute_load("config.json", strlen("config.json"), &router, &error) == QLROUTE_OK &&
//       qlroute_route(router, request, strlen(request), &row, &error) == QLROUTE_OK)
//       puts(row);                              // {"endpoint":"edge","total_s":6.2,...}
//   if (error != NULL) fputs(error, stderr);    // qlroute_route: messages[0].role: expected ..., got ...
//   qlroute_free_text(error);
//   qlroute_free_text(row);
//   qlroute_free(router);
//
// Texts go in as UTF-8 with their length, and need no NUL at the end; they are not kept. Texts come out with a NUL at
// the end, belong to the caller, and are freed with qlroute_free_text(), never with free().
//
// A call that fails has changed nothing, has set the text and the router that it would have given to NULL, and says why
// in `*error`, which is NULL after a call that succeeded. `error` itself may be NULL: then nothing is said.
//
// Every function may be called from any thread, on one router from many at once; only qlroute_free() must be the last
// call on its router. No C++ exception leaves a function.
#ifndef QLROUTE_QLROUTE_H
#define QLROUTE_QLROUTE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define QLROUTE_API __attribute__((visibility("default")))
#else
#define QLROUTE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// The interface of this header; the number in libqlroute.so.0. It changes when a function changes or goes, not when
/// one is added.
#define QLROUTE_ABI 0

/// The interface of the library that was loaded: for who loads it by name. Other programs are stopped by the loader.
QLROUTE_API int32_t qlroute_abi(void);

/// "0.1.0"; not to be freed.
QLROUTE_API const char* qlroute_version(void);

typedef int32_t qlroute_status;
enum {
    QLROUTE_OK = 0,
    QLROUTE_BAD_CALL = 1,          ///< a pointer is NULL that must not be
    QLROUTE_BAD_CONFIG = 2,        ///< the configuration cannot be read, or says what it must not
    QLROUTE_BAD_REQUEST = 3,       ///< the call's text is no JSON, or says what it must not
    QLROUTE_UNKNOWN_ENDPOINT = 4,  ///< the call's text names an endpoint that is not configured
    QLROUTE_OUT_OF_MEMORY = 5,
    QLROUTE_FAULT = 6  ///< a mistake in the library
};

typedef struct qlroute_router qlroute_router;

/// A router from a configuration: docs/program.md says what it may hold. Relative paths in it begin at the working
/// directory.
QLROUTE_API qlroute_status qlroute_new(const char* config, size_t length, qlroute_router** router, char** error);

/// The same from a file, gzipped or not. Relative paths in it begin where the file is.
QLROUTE_API qlroute_status qlroute_load(const char* path, size_t length, qlroute_router** router, char** error);

/// May be NULL.
QLROUTE_API void qlroute_free(qlroute_router* router);

/// May be NULL.
QLROUTE_API void qlroute_free_text(char* text);

/// P(good answer) at each endpoint: {"messages"} -> {"p_success": {name: p}}. Remembers nothing.
QLROUTE_API qlroute_status qlroute_score(qlroute_router* router, const char* request, size_t length, char** scores,
                                         char** error);

/// Where a turn should run: {"messages", "chat"?, "max_tokens"?, "output_tokens"?, "now_s"?, "endpoint"?} -> what
/// `qlroute route --json` says of a turn, and "ttft_s", "end_to_end_s", "can_serve".
QLROUTE_API qlroute_status qlroute_route(qlroute_router* router, const char* request, size_t length, char** row,
                                         char** error);

/// As qlroute_route(), with all endpoints in "endpoints".
QLROUTE_API qlroute_status qlroute_explain(qlroute_router* router, const char* request, size_t length, char** table,
                                           char** error);

/// What an answer said of itself: {"messages", "endpoint", "chat"?, "now_s"?, "prompt_tokens"?, "cached_tokens"?,
/// "output_tokens"?, "cut"?, "prefill_s"?, "decode_s"?}. Before qlroute_answered().
QLROUTE_API qlroute_status qlroute_observe(qlroute_router* router, const char* request, size_t length, char** error);

/// The turn was answered: {"messages", "endpoint", "reply", "chat"?, "now_s"?}. That endpoint now holds the dialogue.
QLROUTE_API qlroute_status qlroute_answered(qlroute_router* router, const char* request, size_t length, char** error);

/// The link as measured or estimated: {"uplink_rate"?, "downlink_rate"?, "rtt"?, "radio_idle"?}, each with its unit.
/// What is not said stays.
QLROUTE_API qlroute_status qlroute_link(qlroute_router* router, const char* request, size_t length, char** error);

/// What an endpoint reports: {"endpoint", "available"?, "queue_delay"?, "requests_running"?, "requests_waiting"?,
/// "caches_dropped"?}. What is not said stays.
QLROUTE_API qlroute_status qlroute_endpoint(qlroute_router* router, const char* request, size_t length, char** error);

/// What is configured, and what is believed now.
QLROUTE_API qlroute_status qlroute_describe(qlroute_router* router, char** description, char** error);

#ifdef __cplusplus
}
#endif

#endif
