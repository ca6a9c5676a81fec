#include <qlroute/serving/session.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace qlroute;

namespace {

/// A dialogue that owns its text, for tests that edit it.
struct script {
    std::vector<std::string> texts;
    std::vector<role> roles;

    script& user(std::string text) { return say(role::user, std::move(text)); }
    script& answer(std::string text) { return say(role::assistant, std::move(text)); }
    script& say(role who, std::string text) {
        texts.push_back(std::move(text));
        roles.push_back(who);
        return *this;
    }
    std::vector<message> messages() && = delete;  // they would dangle
    std::vector<message> messages() const& {
        std::vector<message> all;
        for (std::size_t i = 0; i < texts.size(); ++i) all.push_back({roles[i], texts[i], {}});
        return all;
    }
};

std::string text_of(std::size_t bytes, char letter) { return std::string(bytes, letter); }

message answer(std::string_view text) { return {role::assistant, text, {}}; }

/// Bytes of the longest common prefix of two dialogues, as positions count them.
std::size_t common_bytes(const script& a, const script& b) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < a.texts.size() && i < b.texts.size(); ++i) {
        if (a.roles[i] != b.roles[i]) return bytes;
        std::size_t same = 0;
        while (same < a.texts[i].size() && same < b.texts[i].size() && a.texts[i][same] == b.texts[i][same]) ++same;
        bytes += 2 + same;
        if (same < a.texts[i].size() || same < b.texts[i].size()) return bytes;
    }
    return bytes;
}

}  // namespace

TEST_CASE("the first turn is all new and nothing is cached anywhere") {
    session chat(2);
    const script s = script{}.user(text_of(400, 'a'));
    const auto said = s.messages();
    const turn t = chat.next_turn(said, 5_s);
    CHECK(t.prefix_tokens == 0_tok);
    CHECK(t.new_tokens == 100_tok);
    CHECK(t.history_size == 0_bit);
    CHECK(t.prompt_size == 402_B);
    CHECK(t.now == 5_s);
    CHECK(chat.held_by(0).cached.size == 0_tok);
    CHECK(chat.where() == session::nowhere);
}

TEST_CASE("the endpoint that answered holds the whole dialogue, the other one nothing") {
    session chat(2);
    script s = script{}.user(text_of(400, 'a'));
    auto said = s.messages();
    chat.next_turn(said, 0_s);
    const std::string reply = text_of(800, 'r');
    chat.commit(1, answer(reply), 3_s);
    CHECK(chat.held_by(1).cached.size == 300_tok);
    CHECK(chat.held_by(1).text_seen == bits(8.0 * (402 + 802)));
    CHECK(chat.held_by(1).last_used == 3_s);
    CHECK(chat.held_by(0).cached.size == 0_tok);
    CHECK(chat.held_by(0).text_seen == 0_bit);
    CHECK(chat.where() == 1);
    CHECK(chat.turns() == 1);

    s.answer(reply).user(text_of(40, 'b'));
    said = s.messages();
    const turn t = chat.next_turn(said, 9_s);
    CHECK(t.prefix_tokens == 300_tok);
    CHECK(t.new_tokens == 10_tok);
    CHECK(t.history_size == bits(8.0 * (402 + 802)));
    CHECK(chat.held_by(1).cached.size == 300_tok);
}

TEST_CASE("a system prompt and tool results count with the turn that they come with") {
    session chat(1);
    script s = script{}.say(role::system, text_of(4000, 's')).user("hi");
    auto said = s.messages();
    CHECK(chat.next_turn(said).new_tokens == 1001_tok);
    chat.commit(0, answer("calling"));
    s.answer("calling").say(role::tool, text_of(80, 't'));
    said = s.messages();
    const turn t = chat.next_turn(said);
    CHECK(t.new_tokens == 20_tok);
    CHECK(t.prefix_tokens == 1003_tok);
}

TEST_CASE("an edited earlier message cuts every endpoint back to what stands before it") {
    session chat(3);
    script s = script{}.user(text_of(400, 'a'));
    auto said = s.messages();
    chat.next_turn(said);
    const std::string first = text_of(400, 'r');
    chat.commit(0, answer(first));
    s.answer(first).user(text_of(400, 'b'));
    said = s.messages();
    chat.next_turn(said);
    const std::string second = text_of(400, 'q');
    chat.commit(1, answer(second));
    CHECK(chat.held_by(0).cached.size == 200_tok);
    CHECK(chat.held_by(1).cached.size == 400_tok);

    script edited = script{}.user(text_of(400, 'a')).answer(first).user(text_of(400, 'c'));
    said = edited.messages();
    const turn t = chat.next_turn(said);
    CHECK(t.prefix_tokens == 200_tok);
    CHECK(chat.held_by(0).cached.size == 200_tok);
    CHECK(chat.held_by(1).cached.size == 200_tok);
    CHECK(chat.held_by(1).text_seen == bits(8.0 * (804)));
    CHECK(chat.held_by(2).cached.size == 0_tok);
}

TEST_CASE("an edit at the end of a long message keeps the part before it, to within one checkpoint") {
    session chat(1);
    std::string paste = text_of(8000, 'p');
    const script original = script{}.user(paste);
    auto said = original.messages();
    chat.next_turn(said);
    chat.commit(0, answer("ok"));
    paste[7900] = 'X';
    const script edited = script{}.user(paste);
    said = edited.messages();
    chat.next_turn(said);
    const auto held = chat.held_by(0);
    CHECK(held.cached.text == bits(8.0 * (2 + 7680)));  // 15 checkpoints of 512 B
    CHECK(held.cached.size == 1920_tok);
}

TEST_CASE("asking again for an answer keeps everything up to the question") {
    session chat(1);
    const script s = script{}.user(text_of(400, 'a'));
    const auto said = s.messages();
    chat.next_turn(said);
    chat.commit(0, answer("no good"));
    const turn again = chat.next_turn(said);
    CHECK(again.prefix_tokens == 0_tok);
    CHECK(again.new_tokens == 100_tok);
    CHECK(chat.held_by(0).cached.size == 100_tok);
}

TEST_CASE("a different answer than the committed one cuts back to the question before it") {
    session chat(1);
    script s = script{}.user(text_of(400, 'a'));
    auto said = s.messages();
    chat.next_turn(said);
    chat.commit(0, answer("the answer as generated"));
    s.answer("the answer as edited").user("go on");
    said = s.messages();
    chat.next_turn(said);
    CHECK(chat.held_by(0).cached.size == 100_tok);
}

TEST_CASE("the same text from another role is another dialogue") {
    session chat(1);
    const script before = script{}.user("abc");
    auto said = before.messages();
    chat.next_turn(said);
    chat.commit(0, answer("x"));
    const script after = script{}.say(role::system, "abc").user("more");
    said = after.messages();
    chat.next_turn(said);
    CHECK(chat.held_by(0).cached.size == 0_tok);
}

TEST_CASE("moving the border between two messages keeps what stands before it") {
    session chat(1);
    const script before = script{}.user("abcdef").user("ghi");
    auto said = before.messages();
    chat.next_turn(said);
    chat.commit(0, answer("x"));
    const script after = script{}.user("abcdefg").user("hi");
    said = after.messages();
    chat.next_turn(said);
    CHECK(chat.held_by(0).cached.text == bits(8.0 * (2 + 6)));
    CHECK(chat.held_by(0).cached.size == 1_tok);
}

TEST_CASE("a dropped cache loses the tokens but not the text; a restart loses both") {
    session chat(2);
    const script s = script{}.user(text_of(400, 'a'));
    const auto said = s.messages();
    for (const std::size_t where : {0u, 1u}) {
        chat.next_turn(said);
        chat.commit(where, answer("r"));
    }
    chat.cache_dropped(0);
    CHECK(chat.held_by(0).cached.size == 0_tok);
    CHECK(chat.held_by(0).before_reply.size == 0_tok);
    CHECK(chat.held_by(0).text_seen == bits(8.0 * (402)));
    CHECK(chat.held_by(1).cached.size > 0_tok);
    chat.restarted(1);
    CHECK(chat.held_by(1).cached.size == 0_tok);
    CHECK(chat.held_by(1).text_seen == 0_bit);
}

TEST_CASE("the host may say how much is cached") {
    session chat(1);
    const script s = script{}.user(text_of(400, 'a'));
    const auto said = s.messages();
    chat.next_turn(said);
    const std::string reply = text_of(400, 'r');
    chat.commit(0, answer(reply));
    chat.cache_observed(0, 150_tok, 7_s);
    CHECK(chat.held_by(0).cached.size == 150_tok);
    CHECK(chat.held_by(0).cached.text == bits(8.0 * (402 + 201)));
    CHECK(chat.held_by(0).last_used == 7_s);
}

TEST_CASE("an answer may be given by its length alone") {
    session chat(1);
    const message placeholder{role::assistant, "", 180_tok};
    std::vector<message> said{{role::user, "why is the sky blue?", {}}};
    chat.next_turn(said);
    chat.commit(0, placeholder);
    CHECK(chat.held_by(0).cached.size == 185_tok);
    said.push_back(placeholder);
    said.push_back({role::user, "and red at night?", {}});
    CHECK(chat.next_turn(said).prefix_tokens == 185_tok);
    CHECK(chat.held_by(0).cached.size == 185_tok);
    said[1].size = 181_tok;
    chat.next_turn(said);
    CHECK(chat.held_by(0).cached.size == 5_tok);
}

TEST_CASE("a session forgets everything on reset and takes no more memory for a long dialogue") {
    session chat(2);
    script s;
    for (int k = 0; k < 300; ++k) {
        s.user("question " + std::to_string(k));
        const auto said = s.messages();
        chat.next_turn(said);
        const std::string reply = "answer " + std::to_string(k);
        chat.commit(static_cast<std::size_t>(k % 2), answer(reply));
        s.answer(reply);
    }
    CHECK(chat.turns() == 300);
    CHECK(sizeof(session) <= 768);
    chat.reset();
    CHECK(chat.turns() == 0);
    CHECK(chat.where() == session::nowhere);
    CHECK(chat.held_by(1).cached.size == 0_tok);
    CHECK(session(2).digest() == chat.digest());
}

TEST_CASE("random edits: a hit is never overestimated, and falls short by little") {
    std::mt19937 random(7);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    double lost = 0;
    double total = 0;
    for (int dialogue = 0; dialogue < 200; ++dialogue) {
        session chat(2);
        script now;
        // What each endpoint's engine really has: the last dialogue that it answered.
        std::vector<script> engine(2);
        for (int step = 0; step < 12; ++step) {
            if (now.texts.size() > 2 && below(3) == 0) {  // go back, change one letter, drop the rest
                std::size_t k = below(now.texts.size() / 2) * 2;
                now.texts.resize(k + 1);
                now.roles.resize(k + 1);
                now.texts[k][below(now.texts[k].size())] ^= 1;
            } else {
                now.user(text_of(1 + below(below(5) == 0 ? 5000 : 200), static_cast<char>('a' + below(26))));
            }
            const auto said = now.messages();
            chat.next_turn(said);
            for (const std::size_t where : {0u, 1u}) {
                const bits truth(8.0 * static_cast<double>(common_bytes(engine[where], now)));
                CHECK(chat.held_by(where).cached.text <= truth);
                CHECK(chat.held_by(where).text_seen <= truth);
            }
            const std::size_t where = below(2);
            const double truth = 8.0 * static_cast<double>(common_bytes(engine[where], now));
            lost += truth - chat.held_by(where).cached.text.value();
            total += truth;
            const std::string reply = text_of(1 + below(300), static_cast<char>('A' + below(26)));
            chat.commit(where, answer(reply));
            now.answer(reply);
            engine[where] = now;
        }
    }
    MESSAGE("prefix bytes not credited: ", 100 * lost / total, " %");
    CHECK(lost < 0.2 * total);
}

TEST_CASE(
    "a session remembers what was saved to disk, also when the endpoint restarts, and cuts it back with the rest") {
    session chat(2);
    const message question{role::user, "a question of forty characters, or so..."};
    const message reply{role::assistant, "and an answer of some more, which is fifty five long..."};
    const message said[] = {question};
    static_cast<void>(chat.next_turn(said));
    chat.commit(0, reply);
    CHECK(chat.held_by(0).saved.size == 0_tok);
    chat.cache_saved(0);
    CHECK(chat.held_by(0).saved.size == chat.held_by(0).cached.size);
    chat.restarted(0);
    CHECK(chat.held_by(0).cached.size == 0_tok);
    CHECK(chat.held_by(0).saved.size == 24_tok);  // 10 of the question, 14 of the reply
    const message again[] = {question, {role::assistant, "another answer"}, question};
    static_cast<void>(chat.next_turn(again));
    CHECK(chat.held_by(0).saved.size == 10_tok);
    chat.cache_saved(0, false);
    CHECK(chat.held_by(0).saved.size == 0_tok);
}

TEST_CASE("a session knows where the last reply began, and whether an edit cut a cache back") {
    session chat(1);
    const message question{role::user, "a question of forty characters, or so..."};
    const message reply{role::assistant, "and an answer of some more, which is fifty five long..."};
    const message said[] = {question};
    static_cast<void>(chat.next_turn(said));
    chat.commit(0, reply);
    CHECK(chat.held_by(0).cached.size == 24_tok);
    CHECK(chat.held_by(0).before_reply.size == 10_tok);
    CHECK(!chat.held_by(0).cut_back);
    const message more[] = {question, reply, question};
    static_cast<void>(chat.next_turn(more));
    CHECK(!chat.held_by(0).cut_back);
    const message edited[] = {{role::user, "something else"}};
    static_cast<void>(chat.next_turn(edited));
    CHECK(chat.held_by(0).cut_back);
    CHECK(chat.held_by(0).before_reply.size == 0_tok);
    chat.commit(0, reply);
    CHECK(!chat.held_by(0).cut_back);
}
