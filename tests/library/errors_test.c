// Every wrong call has a status and a message that says what, where and what to do, and changes nothing.
#include "check.h"

#define HELLO "[{\"role\": \"user\", \"content\": \"hello\"}]"

/// `error` is read after the call that set it, and freed.
static int is(qlroute_status got, char** error, qlroute_status wanted, const char* message) {
    const int good = got == wanted && *error != NULL && strstr(*error, message) != NULL;
    if (!good)
        fprintf(stderr, "expected %d, %s\n     got %d, %s\n", (int)wanted, message, (int)got,
                *error == NULL ? "nothing" : *error);
    qlroute_free_text(*error);
    *error = NULL;
    return good;
}

static int config_fails(const char* config, const char* message) {
    qlroute_router* router = (qlroute_router*)&failures;
    char* error = NULL;
    const qlroute_status status = qlroute_new(config, strlen(config), &router, &error);
    CHECK(router == NULL);
    return is(status, &error, QLROUTE_BAD_CONFIG, message);
}

static int load_fails(const char* path, size_t length, const char* message) {
    qlroute_router* router = NULL;
    char* error = NULL;
    const qlroute_status status = qlroute_load(path, length, &router, &error);
    return is(status, &error, QLROUTE_BAD_CONFIG, message);
}

static int asking_fails(asking* call, qlroute_router* router, const char* request, qlroute_status wanted,
                        const char* message) {
    char* answer = (char*)&failures;
    char* error = NULL;
    const qlroute_status status = call(router, request, strlen(request), &answer, &error);
    CHECK(answer == NULL);
    return is(status, &error, wanted, message);
}

static int telling_fails(telling* call, qlroute_router* router, const char* request, qlroute_status wanted,
                         const char* message) {
    char* error = NULL;
    const qlroute_status status = call(router, request, strlen(request), &error);
    return is(status, &error, wanted, message);
}

static void pointers_that_are_null_are_named(void) {
    qlroute_router* router = router_of(two_places);
    qlroute_router* none = NULL;
    char* text = NULL;
    char* error = NULL;
    CHECK(is(qlroute_new(NULL, 0, &none, &error), &error, QLROUTE_BAD_CALL, "qlroute_new: config is NULL"));
    CHECK(is(qlroute_new("{}", 2, NULL, &error), &error, QLROUTE_BAD_CALL, "qlroute_new: router is NULL"));
    CHECK(is(qlroute_load(NULL, 0, &none, &error), &error, QLROUTE_BAD_CALL, "qlroute_load: path is NULL"));
    CHECK(is(qlroute_load("x", 1, NULL, &error), &error, QLROUTE_BAD_CALL, "qlroute_load: router is NULL"));
    CHECK(is(qlroute_describe(NULL, &text, &error), &error, QLROUTE_BAD_CALL, "qlroute_describe: router is NULL"));
    CHECK(
        is(qlroute_describe(router, NULL, &error), &error, QLROUTE_BAD_CALL, "qlroute_describe: description is NULL"));

    static const struct {
        asking* call;
        const char* name;
        const char* answer;
    } asks[] = {{qlroute_score, "qlroute_score", "scores"},
                {qlroute_route, "qlroute_route", "row"},
                {qlroute_explain, "qlroute_explain", "table"}};
    char message[100];
    for (size_t i = 0; i < sizeof asks / sizeof *asks; ++i) {
        snprintf(message, sizeof message, "%s: router is NULL", asks[i].name);
        CHECK(is(asks[i].call(NULL, "{}", 2, &text, &error), &error, QLROUTE_BAD_CALL, message));
        snprintf(message, sizeof message, "%s: request is NULL", asks[i].name);
        CHECK(is(asks[i].call(router, NULL, 0, &text, &error), &error, QLROUTE_BAD_CALL, message));
        snprintf(message, sizeof message, "%s: %s is NULL", asks[i].name, asks[i].answer);
        CHECK(is(asks[i].call(router, "{}", 2, NULL, &error), &error, QLROUTE_BAD_CALL, message));
        CHECK(asks[i].call(NULL, NULL, 0, NULL, NULL) == QLROUTE_BAD_CALL);
    }
    static const struct {
        telling* call;
        const char* name;
    } tells[] = {{qlroute_observe, "qlroute_observe"},
                 {qlroute_answered, "qlroute_answered"},
                 {qlroute_link, "qlroute_link"},
                 {qlroute_endpoint, "qlroute_endpoint"}};
    for (size_t i = 0; i < sizeof tells / sizeof *tells; ++i) {
        snprintf(message, sizeof message, "%s: router is NULL", tells[i].name);
        CHECK(is(tells[i].call(NULL, "{}", 2, &error), &error, QLROUTE_BAD_CALL, message));
        snprintf(message, sizeof message, "%s: request is NULL", tells[i].name);
        CHECK(is(tells[i].call(router, NULL, 0, &error), &error, QLROUTE_BAD_CALL, message));
        CHECK(tells[i].call(NULL, NULL, 0, NULL) == QLROUTE_BAD_CALL);
    }
    qlroute_free(router);
    qlroute_free(NULL);
    qlroute_free_text(NULL);
}

static void a_configuration_that_is_none_is_told_where(void) {
    CHECK(config_fails("", "the configuration: not valid JSON: "));
    CHECK(config_fails("{", "the configuration: not valid JSON: parse error at line 1, column 2"));
    CHECK(config_fails("[]", "the configuration: the whole file: expected an object"));
    CHECK(config_fails("{\"endpoint\": []}", "the configuration: endpoint: unknown key; known here are "));
    CHECK(config_fails("{\"expected_output\": 5}", "the configuration: expected_output: "));
    CHECK(config_fails("{\"predictor\": {\"type\": \"response\", \"file\": \"no-such-folder\"}}", "predictor.file: "));
    CHECK(load_fails("no-such-file.json", 17, "cannot read \"no-such-file.json\": No such file or directory"));
    CHECK(load_fails("a\0b", 3, "qlroute_load: the path has a NUL in it"));
    CHECK(load_fails("/", 1, "it is a directory; expected a file"));
}

static void a_request_that_is_none_is_told_where(void) {
    qlroute_router* router = router_of(two_places);
    static const char* const bad[][2] = {
        {"", "qlroute_route: not valid JSON: "},
        {"{\"messages\": ", "qlroute_route: not valid JSON: parse error at line 1, column 14"},
        {"[]", "qlroute_route: expected an object such as {\"messages\": [...]}, got an empty list"},
        {"{}", "qlroute_route: messages: missing; expected a list such as "},
        {"{\"messages\": []}", "qlroute_route: messages: expected a list of at least one message, got an empty list"},
        {"{\"messages\": [{\"role\": \"robot\"}]}",
         "qlroute_route: messages[0].role: expected system, developer, user, assistant or tool, got \"robot\""},
        {"{\"messages\": [{\"role\": \"user\", \"tokens\": 0}]}",
         "qlroute_route: messages[0].tokens: expected a number of tokens, more than 0, got 0"},
        {"{\"messages\": " HELLO ", \"now\": 1}",
         "qlroute_route: now: unknown key; known here are messages, chat, now_s"},
        {"{\"messages\": " HELLO ", \"now_s\": \"1\"}", "qlroute_route: now_s: expected a number from "},
        {"{\"messages\": " HELLO ", \"now_s\": 1e999}", "qlroute_route: not valid JSON: number overflow"},
        {"{\"messages\": " HELLO ", \"chat\": 5}", "qlroute_route: chat: expected a text that is not empty, got 5"},
        {"{\"messages\": " HELLO ", \"chat\": \"\"}",
         "qlroute_route: chat: expected a text that is not empty, got \"\""},
        {"{\"messages\": " HELLO ", \"max_tokens\": -1}", "qlroute_route: max_tokens: expected a number from 0 to "},
        {"{\"messages\": " HELLO ", \"endpoint\": null}",
         "qlroute_route: endpoint: expected the name of an endpoint (device, edge), got null"},
        {"{\"messages\": \"\xff\"}", "qlroute_route: not valid JSON: "}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        CHECK(asking_fails(qlroute_route, router, bad[i][0], QLROUTE_BAD_REQUEST, bad[i][1]));

    CHECK(asking_fails(qlroute_score, router, "{}", QLROUTE_BAD_REQUEST, "qlroute_score: messages: missing"));
    CHECK(asking_fails(qlroute_explain, router, "{}", QLROUTE_BAD_REQUEST, "qlroute_explain: messages: missing"));
    const char* const asked = "\"chat\": \"a\", \"messages\": " HELLO ", \"endpoint\": \"edge\"";
    static const struct {
        telling* call;
        const char* more;
        const char* message;
    } worse[] = {
        {qlroute_observe, "\"cut\": 1", "qlroute_observe: cut: expected true or false, got 1"},
        {qlroute_observe, "\"prefill_s\": -1", "qlroute_observe: prefill_s: expected a number from 0 to "},
        {qlroute_observe, "\"prompt_tokens\": 4, \"cached_tokens\": 5",
         "qlroute_observe: cached_tokens: expected no more than prompt_tokens"},
        {qlroute_answered, "\"now_s\": 1", "qlroute_answered: reply: missing; expected a text, or a message such as "},
        {qlroute_answered, "\"reply\": 5", "qlroute_answered: reply: expected an object such as "},
        {qlroute_answered, "\"reply\": {\"role\": \"user\"}",
         "qlroute_answered: reply: expected a message of the assistant"}};
    char request[400];
    for (size_t i = 0; i < sizeof worse / sizeof *worse; ++i) {
        snprintf(request, sizeof request, "{%s, %s}", asked, worse[i].more);
        CHECK(telling_fails(worse[i].call, router, request, QLROUTE_BAD_REQUEST, worse[i].message));
    }
    CHECK(telling_fails(qlroute_link, router, "{\"uplink_rate\": 5}", QLROUTE_BAD_REQUEST,
                        "qlroute_link: uplink_rate: "));
    CHECK(telling_fails(qlroute_link, router, "{\"uplink\": \"5 Mbit/s\"}", QLROUTE_BAD_REQUEST,
                        "qlroute_link: uplink: unknown key"));
    CHECK(telling_fails(qlroute_endpoint, router, "{\"available\": true}", QLROUTE_BAD_REQUEST,
                        "qlroute_endpoint: endpoint: missing; expected the name of an endpoint"));
    qlroute_free(router);
}

static void an_endpoint_that_is_not_configured_has_a_status_of_its_own(void) {
    qlroute_router* router = router_of(two_places);
    const char* const asked = "{\"messages\": " HELLO ", \"endpoint\": \"cloud\"}";
    const char* const answered = "{\"messages\": " HELLO ", \"endpoint\": \"cloud\", \"reply\": \"x\"}";
    const char* const message = "endpoint: expected the name of an endpoint (device, edge), got \"cloud\"";
    CHECK(asking_fails(qlroute_route, router, asked, QLROUTE_UNKNOWN_ENDPOINT, message));
    CHECK(asking_fails(qlroute_explain, router, asked, QLROUTE_UNKNOWN_ENDPOINT, message));
    CHECK(telling_fails(qlroute_observe, router, asked, QLROUTE_UNKNOWN_ENDPOINT, message));
    CHECK(telling_fails(qlroute_answered, router, answered, QLROUTE_UNKNOWN_ENDPOINT, message));
    CHECK(telling_fails(qlroute_endpoint, router, "{\"endpoint\": \"cloud\"}", QLROUTE_UNKNOWN_ENDPOINT, message));
    qlroute_free(router);
}

static void messages_are_utf8_whatever_was_sent(void) {
    qlroute_router* router = router_of(two_places);
    static const char* const requests[] = {"{\"a\xff\": 1}", "{\"a\xc3\": 1}"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; ++i) {
        char* row = NULL;
        char* error = NULL;
        CHECK(qlroute_route(router, requests[i], strlen(requests[i]), &row, &error) == QLROUTE_BAD_REQUEST);
        CHECK(error != NULL && strstr(error, "UTF-8") != NULL);
        CHECK(error != NULL && strchr(error, '\xff') == NULL && strstr(error, "\xc3\"") == NULL);
        qlroute_free_text(error);
    }
    CHECK(load_fails("no-such-\xff", 9, "no-such-\xef\xbf\xbd"));
    // A NUL is no JSON.
    char* row = NULL;
    CHECK(qlroute_route(router, "{\"a\0b\": 1}", 10, &row, NULL) == QLROUTE_BAD_REQUEST);
    qlroute_free(router);
}

static void a_request_of_any_depth_is_refused_without_harm(void) {
    qlroute_router* router = router_of(two_places);
    const size_t depth = 1000000;
    char* deep = malloc(2 * depth + 100);
    if (deep == NULL) abort();
    const size_t start = (size_t)sprintf(deep, "{\"messages\": ");
    memset(deep + start, '[', depth);
    memset(deep + start + depth, ']', depth);
    strcpy(deep + start + 2 * depth, "}");
    CHECK(asking_fails(qlroute_route, router, deep, QLROUTE_BAD_REQUEST, "messages[0]: expected an object"));
    deep[start + depth] = 'x';
    CHECK(asking_fails(qlroute_route, router, deep, QLROUTE_BAD_REQUEST, "not valid JSON"));
    free(deep);
    qlroute_free(router);
}

static void calls_that_fail_change_nothing(void) {
    static const char turn[] =
        "{\"chat\": \"a\", \"now_s\": 3, \"messages\": [{\"role\": \"user\", \"content\": \"hello\"},"
        " {\"role\": \"assistant\", \"content\": \"12345678\"}, {\"role\": \"user\", \"content\": \"more\"}]}";
    qlroute_router* router = router_of(two_places);
    tell(qlroute_answered, router,
         "{\"chat\": \"a\", \"messages\": " HELLO ", \"endpoint\": \"device\", \"reply\": \"12345678\", \"now_s\": 2}");
    char* before = answer_of(qlroute_explain, router, turn);
    CHECK(before != NULL && strstr(before, "\"endpoint\":\"device\",\"total_s\":8.0") != NULL);
    CHECK(telling_fails(qlroute_answered, router,
                        "{\"chat\": \"a\", \"messages\": " HELLO
                        ", \"endpoint\": \"edge\", \"reply\": \"x\", \"now_s\": true}",
                        QLROUTE_BAD_REQUEST, "now_s"));
    // What is good in a bad update is not taken either.
    CHECK(telling_fails(
        qlroute_endpoint, router,
        "{\"endpoint\": \"device\", \"available\": false, \"queue_delay\": \"9 s\", \"caches_dropped\": 1}",
        QLROUTE_BAD_REQUEST, "caches_dropped"));
    CHECK(telling_fails(qlroute_link, router, "{\"uplink_rate\": \"1 bit/s\", \"rtt\": \"-1 s\"}", QLROUTE_BAD_REQUEST,
                        "rtt"));
    CHECK(telling_fails(qlroute_observe, router,
                        "{\"chat\": \"a\", \"messages\": " HELLO
                        ", \"endpoint\": \"device\", \"output_tokens\": 5, \"x\": 1}",
                        QLROUTE_BAD_REQUEST, "x: unknown key"));
    CHECK(asking_fails(qlroute_route, router,
                       "{\"chat\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"y\": 1}",
                       QLROUTE_BAD_REQUEST, "y: unknown key"));
    char* after = answer_of(qlroute_explain, router, turn);
    CHECK(before != NULL && after != NULL && strcmp(before, after) == 0);
    qlroute_free_text(before);
    qlroute_free_text(after);
    qlroute_free(router);
}

static void nobody_has_to_listen(void) {
    qlroute_router* router = NULL;
    char* row = NULL;
    CHECK(qlroute_new("{", 1, &router, NULL) == QLROUTE_BAD_CONFIG);
    router = router_of(two_places);
    CHECK(qlroute_route(router, "{", 1, &row, NULL) == QLROUTE_BAD_REQUEST);
    CHECK(qlroute_link(router, "{", 1, NULL) == QLROUTE_BAD_REQUEST);
    // A call that succeeds says nothing.
    char* error = (char*)&failures;
    CHECK(qlroute_link(router, "{}", 2, &error) == QLROUTE_OK);
    CHECK(error == NULL);
    qlroute_free(router);
}

int main(void) {
    pointers_that_are_null_are_named();
    a_configuration_that_is_none_is_told_where();
    a_request_that_is_none_is_told_where();
    an_endpoint_that_is_not_configured_has_a_status_of_its_own();
    messages_are_utf8_whatever_was_sent();
    a_request_of_any_depth_is_refused_without_harm();
    calls_that_fail_change_nothing();
    nobody_has_to_listen();
    return failures == 0 ? 0 : 1;
}
