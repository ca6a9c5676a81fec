// Eight threads on one router: each has a dialogue of its own, which the others do not disturb.
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { threads = 8, turns = 150, reports = 5000 };

typedef struct {
    qlroute_router* router;
    int number;
    int wrong;
} worker;

static void expect(worker* self, int condition, const char* what, int turn, const char* text) {
    if (condition) return;
    ++self->wrong;
    fprintf(stderr, "thread %d, turn %d: %s: %s\n", self->number, turn, what, text == NULL ? "nothing" : text);
}

/// Every turn adds a question and an answer of one token each, so that turn k finds 2 k of them cached.
static void* talk(void* argument) {
    worker* self = argument;
    char* messages = malloc(80 * (2 * turns + 1));
    char* request = malloc(80 * (2 * turns + 1) + 200);
    if (messages == NULL || request == NULL) abort();
    strcpy(messages, "{\"role\": \"user\", \"content\": \"0000\"}");
    for (int k = 0; k < turns; ++k) {
        char* row = NULL;
        char* error = NULL;
        char hit[40];
        const char* home = self->number % 2 == 0 ? "device" : "edge";
        size_t length =
            (size_t)sprintf(request, "{\"chat\": \"%d\", \"now_s\": %d, \"endpoint\": \"%s\", \"messages\": [%s]}",
                            self->number, k, home, messages);
        expect(self, qlroute_route(self->router, request, length, &row, &error) == QLROUTE_OK, "route", k, error);
        sprintf(hit, "\"prefix_hit\":%d.0,", 2 * k);
        expect(self, row != NULL && strstr(row, hit) != NULL, hit, k, row);
        expect(self, row != NULL && strstr(row, home) != NULL, home, k, row);
        qlroute_free_text(row);

        length = (size_t)sprintf(
            request, "{\"chat\": \"%d\", \"now_s\": %d, \"endpoint\": \"%s\", \"reply\": \"yyyy\", \"messages\": [%s]}",
            self->number, k, home, messages);
        expect(self, qlroute_answered(self->router, request, length, &error) == QLROUTE_OK, "answered", k, error);
        sprintf(messages + strlen(messages),
                ", {\"role\": \"assistant\", \"content\": \"yyyy\"}, {\"role\": \"user\", \"content\": \"%04d\"}", k);

        // What all share is written and read beside it.
        static const char queue[] = "{\"endpoint\": \"edge\", \"queue_delay\": \"1 ms\", \"requests_running\": 3}";
        expect(self, qlroute_endpoint(self->router, queue, sizeof queue - 1, &error) == QLROUTE_OK, "endpoint", k,
               error);
        length = (size_t)sprintf(request, "{\"messages\": [], \"thread\": %d}", self->number);
        expect(self, qlroute_route(self->router, request, length, &row, &error) == QLROUTE_BAD_REQUEST, "a bad call", k,
               row);
        expect(self, error != NULL && strstr(error, "messages") != NULL, "its message", k, error);
        qlroute_free_text(error);
        length = (size_t)sprintf(request, "{\"messages\": [{\"role\": \"user\", \"content\": \"%d\"}]}", self->number);
        expect(self, qlroute_explain(self->router, request, length, &row, &error) == QLROUTE_OK, "explain", k, error);
        qlroute_free_text(row);
        expect(self, qlroute_score(self->router, request, length, &row, &error) == QLROUTE_OK, "score", k, error);
        qlroute_free_text(row);
        length = (size_t)sprintf(request,
                                 "{\"messages\": [{\"role\": \"user\", \"content\": \"%d\"}], \"endpoint\": \"edge\","
                                 " \"output_tokens\": 50, \"decode_s\": 4.9, \"prompt_tokens\": 1}",
                                 self->number);
        expect(self, qlroute_observe(self->router, request, length, &error) == QLROUTE_OK, "observe", k, error);
    }
    free(messages);
    free(request);
    return NULL;
}

/// One thread alone says each value of the link, and finds it as it said it, whatever the other one says of the other.
static void* measure(void* argument) {
    worker* self = argument;
    for (int k = 0; k < reports; ++k) {
        char request[60];
        char said[60];
        char* description = NULL;
        char* error = NULL;
        sprintf(request, self->number == 0 ? "{\"uplink_rate\": \"%d Mbit/s\"}" : "{\"rtt\": \"%d s\"}", k + 1);
        sprintf(said, self->number == 0 ? "\"uplink_bit_s\":%d000000.0," : "\"rtt_s\":%d.0}", k + 1);
        expect(self, qlroute_link(self->router, request, strlen(request), &error) == QLROUTE_OK, "link", k, error);
        expect(self, qlroute_describe(self->router, &description, &error) == QLROUTE_OK, "describe", k, error);
        expect(self, description != NULL && strstr(description, said) != NULL, said, k, description);
        qlroute_free_text(description);
    }
    return NULL;
}

/// Runs as many at once.
static void together(qlroute_router* router, int count, void* (*work)(void*)) {
    worker workers[threads];
    pthread_t running[threads];
    for (int i = 0; i < count; ++i) {
        workers[i] = (worker){router, i, 0};
        if (pthread_create(&running[i], NULL, work, &workers[i]) != 0) abort();
    }
    for (int i = 0; i < count; ++i) {
        pthread_join(running[i], NULL);
        failures += workers[i].wrong;
    }
}

int main(void) {
    qlroute_router* router = router_of(two_places);
    together(router, threads, talk);
    together(router, 2, measure);
    qlroute_free(router);
    return failures == 0 ? 0 : 1;
}
