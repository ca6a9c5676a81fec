// What each function does, in C.
#include "check.h"

#define HELLO "[{\"role\": \"user\", \"content\": \"hello\"}]"

static void the_library_says_what_it_is(void) {
    CHECK(qlroute_abi() == QLROUTE_ABI);
    CHECK(strcmp(qlroute_version(), QLROUTE_EXPECTED_VERSION) == 0);
}

static void a_turn_runs_where_it_costs_least_and_says_what_it_costs(void) {
    qlroute_router* router = router_of(two_places);
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "{\"endpoint\":\"edge\",\"total_s\":"));
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "\"breakdown\":{\"quality_loss\":3.0,"));
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "\"can_serve\":true}"));
    // 2 tokens at 10 tok/s, and 49 at 100 ms.
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO ", \"endpoint\": \"device\"}"),
               "\"ttft_s\":0.2,\"end_to_end_s\":5.1"));
    CHECK(says(
        answer_of(qlroute_route, router, "{\"messages\": " HELLO ", \"endpoint\": \"device\", \"max_tokens\": 11}"),
        "\"ttft_s\":0.2,\"end_to_end_s\":1.2"));
    qlroute_free(router);
}

static void what_was_answered_is_cached_there_and_in_that_dialogue_alone(void) {
    static const char then[] =
        "{\"chat\": \"%s\", \"now_s\": 9, \"endpoint\": \"device\", \"messages\": [{\"role\": \"user\", \"content\": "
        "\"hello\"},"
        " {\"role\": \"assistant\", \"content\": \"12345678\"}, {\"role\": \"user\", \"content\": \"more\"}]}";
    char request[400];
    qlroute_router* router = router_of(two_places);
    tell(qlroute_answered, router,
         "{\"chat\": \"a\", \"messages\": " HELLO ", \"endpoint\": \"device\", \"reply\": \"12345678\", \"now_s\": 5}");
    snprintf(request, sizeof request, then, "a");
    CHECK(says(answer_of(qlroute_route, router, request), "\"prefix_hit\":4.0,\"switched\":false"));
    snprintf(request, sizeof request, then, "b");
    CHECK(says(answer_of(qlroute_route, router, request), "\"prefix_hit\":0.0,\"switched\":false"));
    tell(qlroute_endpoint, router, "{\"endpoint\": \"device\", \"caches_dropped\": true}");
    snprintf(request, sizeof request, then, "a");
    CHECK(says(answer_of(qlroute_route, router, request), "\"prefix_hit\":0.0"));
    qlroute_free(router);
}

static void a_dialogue_without_a_name_is_known_by_what_was_said(void) {
    qlroute_router* router = router_of(two_places);
    qlroute_free_text(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"));
    tell(qlroute_answered, router, "{\"messages\": " HELLO ", \"endpoint\": \"device\", \"reply\": \"12345678\"}");
    CHECK(says(
        answer_of(
            qlroute_route, router,
            "{\"endpoint\": \"device\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"},"
            " {\"role\": \"assistant\", \"content\": \"12345678\"}, {\"role\": \"user\", \"content\": \"more\"}]}"),
        "\"prefix_hit\":4.0,\"switched\":false"));
    CHECK(says(
        answer_of(qlroute_route, router, "{\"messages\": [{\"role\": \"user\", \"content\": \"something else\"}]}"),
        "\"prefix_hit\":0.0"));
    qlroute_free(router);
}

static void a_reply_may_be_a_text_a_message_or_a_length(void) {
    static const char* const replies[][2] = {
        {"\"12345678\"", "\"content\": \"12345678\""},
        {"{\"content\": \"12345678\"}", "\"content\": \"12345678\""},
        {"{\"tokens\": 2}", "\"tokens\": 2"},
        {"{\"content\": \"a long text of two tokens\", \"tokens\": 2}",
         "\"content\": \"a long text of two tokens\", \"tokens\": 2"},
        {"{\"tool_calls\": [{\"function\": {\"name\": \"go\", \"arguments\": \"[12]\"}}]}",
         "\"content\": \"go\\n[12]\""}};
    char request[400];
    for (size_t i = 0; i < sizeof replies / sizeof *replies; ++i) {
        qlroute_router* router = router_of(two_places);
        snprintf(request, sizeof request,
                 "{\"chat\": \"a\", \"messages\": " HELLO ", \"endpoint\": \"device\", \"now_s\": 1, \"reply\": %s}",
                 replies[i][0]);
        tell(qlroute_answered, router, request);
        snprintf(request, sizeof request,
                 "{\"chat\": \"a\", \"now_s\": 2, \"endpoint\": \"device\", \"messages\": [{\"role\": \"user\", "
                 "\"content\": \"hello\"},"
                 " {\"role\": \"assistant\", %s}, {\"role\": \"user\", \"content\": \"more\"}]}",
                 replies[i][1]);
        CHECK(says(answer_of(qlroute_route, router, request), "\"prefix_hit\":4.0"));
        qlroute_free(router);
    }
}

static void what_answers_say_of_themselves_is_learnt(void) {
    qlroute_router* router = router_of(two_places);
    for (int i = 0; i < 70; ++i)
        tell(qlroute_observe, router,
             "{\"chat\": \"a\", \"messages\": " HELLO
             ", \"endpoint\": \"device\", \"prompt_tokens\": 4, \"cached_tokens\": 0,"
             " \"output_tokens\": 20, \"cut\": false, \"prefill_s\": 0.8, \"decode_s\": 1.9}");
    CHECK(says(answer_of(qlroute_explain, router, "{\"chat\": \"b\", \"messages\": " HELLO "}"),
               "\"prompt_tokens\":4.0,\"cached_tokens\":0.0,\"output_tokens\":20.0}"));
    char* description = NULL;
    CHECK(qlroute_describe(router, &description, NULL) == QLROUTE_OK);
    CHECK(says(description, "\"tokenizer_ratio\":2.0"));
    qlroute_free(router);
}

static void links_and_endpoints_are_as_reported_last(void) {
    qlroute_router* router = router_of(two_places);
    tell(qlroute_link, router, "{\"uplink_rate\": \"5 Mbit/s\", \"rtt\": \"38 ms\"}");
    tell(qlroute_endpoint, router, "{\"endpoint\": \"edge\", \"queue_delay\": \"10 s\", \"requests_waiting\": 2}");
    char* description = NULL;
    CHECK(qlroute_describe(router, &description, NULL) == QLROUTE_OK);
    CHECK(strstr(description, "\"link\":{\"uplink_bit_s\":5000000.0,\"downlink_bit_s\":8000000.0,\"rtt_s\":0.038}") !=
          NULL);
    CHECK(strstr(description,
                 "\"endpoint\":\"edge\",\"remote\":true,\"available\":true,\"queue_delay_s\":10.0,"
                 "\"requests_running\":0.0,\"requests_waiting\":2.0") != NULL);
    CHECK(says(description, "\"expected_output\":50.0,\"turn_interval_s\":30.0}"));
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "\"endpoint\":\"device\""));
    tell(qlroute_endpoint, router, "{\"endpoint\": \"edge\", \"queue_delay\": \"0 s\"}");
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "\"endpoint\":\"edge\""));
    tell(qlroute_endpoint, router, "{\"endpoint\": \"edge\", \"available\": false}");
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO "}"), "\"endpoint\":\"device\""));
    CHECK(says(answer_of(qlroute_route, router, "{\"messages\": " HELLO ", \"endpoint\": \"edge\"}"),
               "\"can_serve\":false}"));
    qlroute_free(router);
}

static void explain_is_route_and_every_endpoint(void) {
    qlroute_router* router = router_of(two_places);
    char* row = answer_of(qlroute_route, router, "{\"messages\": " HELLO "}");
    char* table = answer_of(qlroute_explain, router, "{\"messages\": " HELLO "}");
    CHECK(row != NULL && table != NULL && strncmp(row, table, strlen(row) - 1) == 0);
    CHECK(table != NULL && strstr(table, ",\"endpoints\":[{\"endpoint\":\"device\",") != NULL);
    CHECK(table != NULL && strstr(table, "},{\"endpoint\":\"edge\",") != NULL);
    qlroute_free_text(row);
    qlroute_free_text(table);
    qlroute_free(router);
}

static void scores_are_the_predictors(void) {
    qlroute_router* router = router_of(two_places);
    CHECK(says(answer_of(qlroute_score, router, "{\"messages\": " HELLO "}"),
               "{\"p_success\":{\"device\":0.5,\"edge\":0.5}}"));
    qlroute_free(router);
}

int main(void) {
    the_library_says_what_it_is();
    a_turn_runs_where_it_costs_least_and_says_what_it_costs();
    what_was_answered_is_cached_there_and_in_that_dialogue_alone();
    a_dialogue_without_a_name_is_known_by_what_was_said();
    a_reply_may_be_a_text_a_message_or_a_length();
    what_answers_say_of_themselves_is_learnt();
    links_and_endpoints_are_as_reported_last();
    explain_is_route_and_every_endpoint();
    scores_are_the_predictors();
    return failures == 0 ? 0 : 1;
}
