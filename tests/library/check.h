// What the C tests share: checks that count, and calls that expect a status.
#ifndef QLROUTE_TESTS_LIBRARY_CHECK_H
#define QLROUTE_TESTS_LIBRARY_CHECK_H

#include <qlroute/qlroute.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            ++failures;                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                           \
    } while (0)

/// 100 tok/s and 10 tok/s read; 100 ms a token written; a link of no account; answers of 50 tokens.
static const char two_places[] =
    "{\"predictor\": {\"type\": \"constant\"}, \"expected_output\": \"50 tok\","
    " \"link\": {\"uplink_rate\": \"8 Mbit/s\", \"downlink_rate\": \"8 Mbit/s\", \"rtt\": \"0 s\"},"
    " \"rule\": {\"type\": \"lowest_cost\", \"hysteresis\": \"0 s\"},"
    " \"endpoints\": ["
    "  {\"name\": \"device\", \"usual_success\": 0.5, \"prefill_rate\": \"10 tok/s\", \"tpot\": \"100 ms/tok\"},"
    "  {\"name\": \"edge\", \"usual_success\": 0.5, \"remote\": true, \"prefill_rate\": \"100 tok/s\","
    "   \"tpot\": \"100 ms/tok\", \"request_overhead\": \"0 B\", \"token_size\": \"1 B/tok\"}]}";

/// A copy of exactly the text's size, without its NUL, so that a byte read beyond it is seen by AddressSanitizer.
static inline char* exactly(const char* text) {
    const size_t length = strlen(text);
    char* copy = malloc(length == 0 ? 1 : length);
    if (copy == NULL) abort();
    memcpy(copy, text, length);
    return copy;
}

static inline qlroute_router* router_of(const char* config) {
    qlroute_router* router = NULL;
    char* error = NULL;
    char* text = exactly(config);
    if (qlroute_new(text, strlen(config), &router, &error) != QLROUTE_OK) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    free(text);
    return router;
}

typedef qlroute_status asking(qlroute_router*, const char*, size_t, char**, char**);
typedef qlroute_status telling(qlroute_router*, const char*, size_t, char**);

/// The call's answer, to be freed; NULL and a failure where it fails.
static inline char* answer_of(asking* call, qlroute_router* router, const char* request) {
    char* answer = NULL;
    char* error = NULL;
    char* text = exactly(request);
    const qlroute_status status = call(router, text, strlen(request), &answer, &error);
    free(text);
    if (status != QLROUTE_OK) {
        ++failures;
        fprintf(stderr, "%s: %d, %s\n", request, (int)status, error);
        qlroute_free_text(error);
    }
    return answer;
}

static inline void tell(telling* call, qlroute_router* router, const char* request) {
    char* error = NULL;
    char* text = exactly(request);
    const qlroute_status status = call(router, text, strlen(request), &error);
    free(text);
    if (status != QLROUTE_OK) {
        ++failures;
        fprintf(stderr, "%s: %d, %s\n", request, (int)status, error);
        qlroute_free_text(error);
    }
}

/// Whether the answer holds `part`; frees it.
static inline int says(char* answer, const char* part) {
    const int found = answer != NULL && strstr(answer, part) != NULL;
    if (!found) fprintf(stderr, "expected %s in: %s\n", part, answer == NULL ? "nothing" : answer);
    qlroute_free_text(answer);
    return found;
}

#endif
