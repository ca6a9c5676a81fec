#include "llama_engine.hpp"

#include "configured/files.hpp"

#include <llama.h>

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <limits>
#include <utility>

using namespace qlroute;

namespace {

using clock_type = std::chrono::steady_clock;

seconds since(clock_type::time_point start) {
    return seconds(std::chrono::duration<double>(clock_type::now() - start).count());
}

volatile std::sig_atomic_t was_interrupted = 0;

/// The last error that llama.cpp reported: it only logs why something failed.
std::string& last_error() {
    static std::string line;
    return line;
}

void keep_errors(ggml_log_level level, const char* text, void*) {
    if (level != GGML_LOG_LEVEL_ERROR) return;
    std::string line(text);
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) last_error() = std::move(line);
}

std::string because() { return last_error().empty() ? "" : ": " + last_error(); }

std::int32_t as_int(std::size_t n) { return static_cast<std::int32_t>(n); }

constexpr llama_seq_id only_sequence = 0;

}  // namespace

bool is_interrupted() { return was_interrupted != 0; }

void watch_for_interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { was_interrupted = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // without SA_RESTART: waiting for a line ends, too
    sigaction(SIGINT, &action, nullptr);
}

void load_backends(const std::string& folder) {
    llama_log_set(keep_errors, nullptr);
    llama_backend_init();
    if (!folder.empty()) {
        const std::size_t linked_in = ggml_backend_dev_count();
        ggml_backend_load_all_from_path(folder.c_str());
        if (ggml_backend_dev_count() == linked_in)
            throw usage_error("--backends: no backend of ggml in \"" + folder +
                              "\"; expected the folder of libggml-cpu*.so");
        return;
    }
    if (ggml_backend_dev_count() > 0) return;  // linked in
    Dl_info where{};
    std::string beside;
    if (dladdr(reinterpret_cast<const void*>(&llama_backend_init), &where) != 0 && where.dli_fname != nullptr)
        beside = std::filesystem::path(where.dli_fname).parent_path().string();
    ggml_backend_load_all_from_path(beside.c_str());
    if (ggml_backend_dev_count() == 0)
        throw usage_error("no backend of ggml beside libllama, in \"" + beside +
                          "\"; give --backends, the folder of libggml-cpu*.so");
}

std::vector<std::string> known_templates() {
    const std::int32_t count = llama_chat_builtin_templates(nullptr, 0);
    std::vector<const char*> names(static_cast<std::size_t>(std::max(count, 0)));
    llama_chat_builtin_templates(names.data(), names.size());
    return {names.begin(), names.end()};
}

void llama_engine::free_model::operator()(llama_model* it) const { llama_model_free(it); }
void llama_engine::free_context::operator()(llama_context* it) const { llama_free(it); }
void llama_engine::free_sampler::operator()(llama_sampler* it) const { llama_sampler_free(it); }

llama_engine::llama_engine(std::string option, const std::string& path, const llama_settings& settings)
    : option_(std::move(option)) {
    const auto complain = [&](const std::string& what) { throw usage_error(option_ + ": \"" + path + "\": " + what); };
    if (std::error_code none; !std::filesystem::is_regular_file(path, none))
        complain(std::filesystem::exists(path, none) ? "it is not a file; expected a GGUF file"
                                                     : "no such file; expected a GGUF file");
    last_error().clear();
    model_.reset(llama_model_load_from_file(path.c_str(), llama_model_default_params()));
    if (!model_) complain("llama.cpp cannot load it" + because() + "; expected a GGUF file of a language model");
    vocab_ = llama_model_get_vocab(model_.get());
    if (!llama_model_has_decoder(model_.get()) || llama_model_has_encoder(model_.get()))
        complain("it is not a decoder; expected a model that continues text");
    if (llama_vocab_type(vocab_) == LLAMA_VOCAB_TYPE_NONE || llama_vocab_n_tokens(vocab_) == 0)
        complain("it has no vocabulary; expected a model with its tokenizer");

    llama_context_params how = llama_context_default_params();
    how.n_ctx = settings.context;
    how.n_batch = how.n_ubatch = settings.batch;
    how.n_seq_max = 1;
    how.n_threads = how.n_threads_batch = settings.threads;
    how.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
    how.type_k = how.type_v = GGML_TYPE_F16;
    how.swa_full = true;  // else a cache with a sliding window cannot be cut back
    how.no_perf = false;
    how.abort_callback = [](void*) { return is_interrupted(); };
    context_.reset(llama_init_from_model(model_.get(), how));
    if (!context_)
        complain("no context of " + std::to_string(settings.context) + " tokens" + because() +
                 "; is there memory for it? Give a smaller -c");
    context_size_ = llama_n_ctx(context_.get());
    batch_size_ = llama_n_ubatch(context_.get());

    cuts_anywhere_ = !llama_model_is_recurrent(model_.get()) && !llama_model_is_hybrid(model_.get());
    mirror_ = token_mirror(cuts_anywhere_ ? 1 : 0);

    sampler_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
    if (settings.temperature > 0) {
        llama_sampler_chain_add(sampler_.get(), llama_sampler_init_temp(static_cast<float>(settings.temperature)));
        llama_sampler_chain_add(sampler_.get(), llama_sampler_init_dist(settings.seed));
    } else {
        llama_sampler_chain_add(sampler_.get(), llama_sampler_init_greedy());
    }

    char text[256];
    const std::int32_t size = llama_model_desc(model_.get(), text, sizeof text);
    const std::string kind(text, static_cast<std::size_t>(std::clamp(size, 0, as_int(sizeof text) - 1)));
    name_ = std::filesystem::path(path).stem().string() + " (" + kind + ")";

    const char* own = llama_model_chat_template(model_.get(), nullptr);
    const llama_chat_message probe{"user", "hello"};
    const bool is_known = own != nullptr && llama_chat_apply_template(own, &probe, 1, true, nullptr, 0) > 0;
    template_ = is_known ? own : settings.fallback_template;
    if (!is_known)
        note_ = option_ + ": the model has " +
                (own == nullptr ? "no chat template" : "a chat template that llama.cpp does not know") + "; taking " +
                template_ + " (--template names another)";
}

std::string llama_engine::rendered(std::span<const message> dialogue) const {
    std::vector<std::string> texts;  // with the zero at the end that C wants
    std::vector<llama_chat_message> chat;
    std::size_t bytes = 0;
    texts.reserve(dialogue.size());
    for (const message& m : dialogue) {
        if (m.text.find('\0') != std::string_view::npos)
            throw turn_failed("a message has a zero character, which llama.cpp's templates cannot carry");
        bytes += texts.emplace_back(m.text).size();
        chat.push_back({m.from == role::assistant ? "assistant"
                        : m.from == role::system  ? "system"
                                                  : "user",
                        texts.back().c_str()});
    }
    std::string out(2 * bytes + 256, '\0');
    std::int32_t size = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
        size = llama_chat_apply_template(template_.c_str(), chat.data(), chat.size(), true, out.data(),
                                         as_int(out.size()));
        if (size < 0) throw turn_failed("llama.cpp cannot apply the chat template of " + option_.substr(2));
        if (static_cast<std::size_t>(size) <= out.size()) break;
        out.resize(static_cast<std::size_t>(size));
    }
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::vector<std::int32_t> llama_engine::tokenized(std::string_view text, bool is_beginning) const {
    const auto failed = [&](const std::string& why) {
        return turn_failed(option_.substr(2) + ": cannot tokenize " + std::to_string(text.size()) + " bytes" + why);
    };
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) throw failed(": too long");
    std::vector<std::int32_t> ids(text.size() + 8);
    try {
        for (int attempt = 0; attempt < 2; ++attempt) {
            const std::int32_t count = llama_tokenize(vocab_, text.data(), as_int(text.size()), ids.data(),
                                                      as_int(ids.size()), is_beginning, true);
            if (count == std::numeric_limits<std::int32_t>::min()) throw failed(": too many tokens");
            ids.resize(static_cast<std::size_t>(count < 0 ? -count : count));
            if (count >= 0) return ids;
        }
    } catch (const turn_failed&) {
        throw;
    } catch (const std::exception& why) {
        throw failed(std::string(": ") + why.what());
    }
    throw failed("");
}

std::string llama_engine::piece(std::int32_t id) const {
    std::string text(64, '\0');
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::int32_t size = llama_token_to_piece(vocab_, id, text.data(), as_int(text.size()), 0, false);
        text.resize(static_cast<std::size_t>(size < 0 ? -size : size));
        if (size >= 0) break;
    }
    return text;
}

prompt llama_engine::prompt_of(std::span<const message> dialogue) const {
    prompt out{rendered(dialogue), {}};
    if (!known_.ids.empty() && out.text.starts_with(known_.text)) {
        out.ids = known_.ids;
        const auto rest = tokenized(std::string_view(out.text).substr(known_.text.size()), false);
        out.ids.insert(out.ids.end(), rest.begin(), rest.end());
    } else {
        out.ids = tokenized(out.text, true);
    }
    if (out.ids.empty()) throw turn_failed(option_.substr(2) + ": the dialogue has no token");
    return out;
}

std::size_t llama_engine::positions() const {
    const auto memory = llama_get_memory(context_.get());
    const llama_pos last = llama_memory_seq_pos_max(memory, only_sequence);
    if (last < 0) return 0;
    // A cache that lost its beginning holds no prefix. A recurrent state has only its end.
    if (cuts_anywhere_ && llama_memory_seq_pos_min(memory, only_sequence) > 0) return 0;
    return static_cast<std::size_t>(last) + 1;
}

std::size_t llama_engine::evaluated() const {
    const auto counts = llama_perf_context(context_.get());
    // llama.cpp reports 1 where it counted none; a prompt of one token counts as written.
    return static_cast<std::size_t>(counts.n_p_eval) + static_cast<std::size_t>(counts.n_eval);
}

token_mirror::expectation llama_engine::expect(const prompt& asked) const {
    if (mirror_.size() != positions()) return {0, asked.ids.size()};
    return mirror_.expect(asked.ids);
}

void llama_engine::clear() {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    mirror_.clear();
}

bool llama_engine::keep(std::size_t count) {
    if (count == 0) clear();  // whatever is there, even what positions() does not count
    if (count == positions()) return true;
    if (llama_memory_seq_rm(llama_get_memory(context_.get()), only_sequence, as_int(count), -1)) return true;
    clear();
    return false;
}

void llama_engine::fail(int status) {
    clear();
    if (status == 2 || is_interrupted()) throw interrupted();
    if (status == 1) throw turn_failed(option_.substr(2) + ": no room in the KV cache; give a larger -c");
    throw turn_failed(option_.substr(2) + ": llama.cpp cannot evaluate the prompt (status " + std::to_string(status) +
                      ")" + because());
}

void llama_engine::read(std::span<const std::int32_t> ids) {
    struct owned_batch {
        llama_batch it;
        explicit owned_batch(std::size_t size) : it(llama_batch_init(as_int(size), 0, 1)) {}
        ~owned_batch() { llama_batch_free(it); }
        owned_batch(const owned_batch&) = delete;
        owned_batch& operator=(const owned_batch&) = delete;
    } batch(std::min(batch_size_, ids.size()));
    std::size_t at = positions();
    for (std::size_t done = 0; done < ids.size();) {
        const std::size_t count = std::min(batch_size_, ids.size() - done);
        batch.it.n_tokens = as_int(count);
        for (std::size_t i = 0; i < count; ++i) {
            batch.it.token[i] = ids[done + i];
            batch.it.pos[i] = as_int(at + i);
            batch.it.n_seq_id[i] = 1;
            batch.it.seq_id[i][0] = only_sequence;
            batch.it.logits[i] = static_cast<std::int8_t>(done + i + 1 == ids.size());
        }
        if (const int status = llama_decode(context_.get(), batch.it); status != 0) fail(status);
        at += count;
        done += count;
    }
}

reply llama_engine::answer(const prompt& asked, std::size_t most, const std::function<void(std::string_view)>& show) {
    if (asked.ids.size() > context_size_)
        throw turn_failed("the dialogue's " + std::to_string(asked.ids.size()) + " tokens exceed the context of " +
                          option_.substr(2) + ", " + std::to_string(context_size_) +
                          "; begin a new dialogue, or give a larger -c");
    const std::size_t room = context_size_ - asked.ids.size() + 1;  // the last token is not evaluated
    llama_perf_context_reset(context_.get());
    reply out;
    std::vector<std::int32_t> ids;
    auto start = clock_type::now();
    out.found = expect(asked);
    if (!keep(out.found.cached)) out.found = {0, asked.ids.size()};
    read(std::span(asked.ids).subspan(out.found.cached));
    for (out.why = most <= room ? reply::stop::length : reply::stop::context;;) {
        const std::int32_t next = llama_sampler_sample(sampler_.get(), context_.get(), -1);
        ids.push_back(next);
        (ids.size() == 1 ? out.reading : out.writing) += since(start);
        if (is_interrupted()) fail(2);
        const bool is_end = llama_vocab_is_eog(vocab_, next);
        if (is_end) out.why = reply::stop::end;
        const std::string text = is_end ? std::string() : piece(next);
        out.text += text;
        show(text);
        if (is_end || ids.size() >= std::min(most, room)) break;
        start = clock_type::now();
        read({&next, 1});
    }
    out.sampled = ids.size();
    mirror_.commit(asked.ids, ids);
    if (out.why == reply::stop::end) ids.pop_back();  // the template says it again
    known_ = {asked.text + out.text, asked.ids};
    known_.ids.insert(known_.ids.end(), ids.begin(), ids.end());
    return out;
}

void llama_engine::measure(std::size_t count, std::span<const std::int32_t> ids, std::size_t output,
                           std::vector<engine_observation>& seen) {
    const auto as_tokens = [](std::size_t n) { return tokens(static_cast<double>(n)); };
    mirror_.clear();
    known_ = {};
    if (!keep(count)) count = 0;
    auto start = clock_type::now();
    read(ids);
    std::int32_t next = llama_sampler_sample(sampler_.get(), context_.get(), -1);
    seen.push_back({.cached = as_tokens(count), .new_tokens = as_tokens(ids.size()), .time = since(start)});
    if (output == 0) return;
    start = clock_type::now();
    for (std::size_t i = 0; i < output; ++i) {
        read({&next, 1});
        next = llama_sampler_sample(sampler_.get(), context_.get(), -1);
    }
    seen.push_back({.cached = as_tokens(count + ids.size()), .output_tokens = as_tokens(output), .time = since(start)});
}

std::vector<std::int32_t> llama_engine::ordinary_tokens() const {
    std::vector<std::int32_t> out;
    for (std::int32_t id = 0; id < llama_vocab_n_tokens(vocab_); ++id)
        if ((llama_vocab_get_attr(vocab_, id) & LLAMA_TOKEN_ATTR_NORMAL) != 0) out.push_back(id);
    if (out.empty()) out.push_back(0);
    return out;
}
