// Memory that runs out at any one allocation is reported, and the router goes on. Replaces malloc() of the whole
// process, as glibc allows; allocations below 256 bytes do not fail here.
#include "check.h"

#include <stdint.h>

extern void* __libc_malloc(size_t size);

static long failing = -1;  // counts down to the one that fails; < 0: none does
static int failed = 0;

void* malloc(size_t size) {
    if (size >= 256 && failing >= 0 && failing-- == 0) {
        failed = 1;
        return NULL;
    }
    return __libc_malloc(size);
}

/// Fails each allocation of `call` in turn, until it succeeds because it has no more; returns how many there were.
static int starved(qlroute_status (*call)(char** error)) {
    for (int n = 0; n < 100000; ++n) {
        char* error = NULL;
        failed = 0;
        failing = n;
        const qlroute_status status = call(&error);
        failing = -1;
        if (!failed) {
            CHECK(status == QLROUTE_OK);
            qlroute_free_text(error);
            return n;
        }
        // Where the library can do without, it may.
        CHECK(status == QLROUTE_OUT_OF_MEMORY || status == QLROUTE_OK);
        if (status == QLROUTE_OUT_OF_MEMORY) CHECK(error != NULL && strcmp(error, "out of memory") == 0);
        qlroute_free_text(error);
    }
    CHECK(failed == 0);  // it never ended
    return 0;
}

static qlroute_router* router = NULL;
static char request[4000];

static qlroute_status opens(char** error) {
    qlroute_router* another = NULL;
    const qlroute_status status = qlroute_new(two_places, sizeof two_places - 1, &another, error);
    CHECK((status == QLROUTE_OK) == (another != NULL));
    qlroute_free(another);
    return status;
}

static qlroute_status routes(char** error) {
    char* row = NULL;
    const qlroute_status status = qlroute_route(router, request, strlen(request), &row, error);
    CHECK((status == QLROUTE_OK) == (row != NULL));
    qlroute_free_text(row);
    return status;
}

/// Of a dialogue that is new each time, so that the table of dialogues has to grow.
static qlroute_status routes_more(char** error) {
    static int number = 0;
    char* row = NULL;
    char another[200];
    snprintf(another, sizeof another,
             "{\"chat\": \"%d\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}", ++number);
    const qlroute_status status = qlroute_route(router, another, strlen(another), &row, error);
    qlroute_free_text(row);
    return status;
}

int main(void) {
    router = router_of(two_places);
    char text[1500];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    snprintf(request, sizeof request, "{\"chat\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"%s\"}]}",
             text);
    char* before = answer_of(qlroute_route, router, request);
    const int of_new = starved(opens);
    const int of_route = starved(routes);
    int of_growth = 0;
    for (int i = 0; i < 200; ++i) of_growth += starved(routes_more);
    printf("failed one by one: %d of qlroute_new, %d of qlroute_route, %d where dialogues came\n", of_new, of_route,
           of_growth);
    CHECK(of_new > 0 && of_route > 0 && of_growth > 0);
    char* after = answer_of(qlroute_route, router, request);
    CHECK(before != NULL && after != NULL && strcmp(before, after) == 0);
    qlroute_free_text(before);
    qlroute_free_text(after);
    qlroute_free(router);

    // More than there can be.
    char* row = NULL;
    char* error = NULL;
    router = router_of(two_places);
    CHECK(qlroute_load("x", SIZE_MAX / 2, &router, &error) == QLROUTE_OUT_OF_MEMORY);
    CHECK(error != NULL && strcmp(error, "out of memory") == 0);
    qlroute_free_text(error);
    qlroute_free_text(row);
    return failures == 0 ? 0 : 1;
}
