// ONNX Runtime as a contender of `encoders`: one graph, one thread, everything allocated beforehand.
//
// ort_serve --library=libonnxruntime.so.1 --model=graph.onnx [--deny=avx512|vnni|amx --cpuid-sites=FILE]

#include <onnxruntime_c_api.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "denied_cpuid.hpp"
#include "forward_server.hpp"

namespace {

constexpr std::uint32_t api_version = 12;
const OrtApi* ort = nullptr;

void check(OrtStatus* status) {
    if (status) peers::fail(ort->GetErrorMessage(status));
}

OrtSession* open_session(const std::string& model) {
    OrtEnv* environment = nullptr;
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "peers", &environment));
    OrtSessionOptions* options = nullptr;
    check(ort->CreateSessionOptions(&options));
    check(ort->SetIntraOpNumThreads(options, 1));
    check(ort->SetInterOpNumThreads(options, 1));
    check(ort->SetSessionExecutionMode(options, ORT_SEQUENTIAL));
    check(ort->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
    check(ort->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
    check(ort->AddSessionConfigEntry(options, "session.set_denormal_as_zero", "1"));
    OrtSession* session = nullptr;
    check(ort->CreateSession(environment, model.c_str(), options, &session));
    return session;
}

bool takes_int64(OrtSession* session) {
    OrtTypeInfo* type = nullptr;
    check(ort->SessionGetInputTypeInfo(session, 0, &type));
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    check(ort->CastTypeInfoToTensorInfo(type, &tensor));
    ONNXTensorElementDataType element{};
    check(ort->GetTensorElementType(tensor, &element));
    ort->ReleaseTypeInfo(type);
    return element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
}

template <class Int>
constexpr ONNXTensorElementDataType element_type =
    sizeof(Int) == 8 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;

/// One input, [1, tokens].
template <class Int>
struct token_tensor {
    std::vector<Int> values;
    OrtValue* tensor = nullptr;

    void fill(const OrtMemoryInfo* memory, std::vector<Int> contents) {
        if (tensor) ort->ReleaseValue(tensor);
        values = std::move(contents);
        const std::array shape{std::int64_t{1}, static_cast<std::int64_t>(values.size())};
        check(ort->CreateTensorWithDataAsOrtValue(memory, values.data(), values.size() * sizeof(Int), shape.data(),
                                                  shape.size(), element_type<Int>, &tensor));
    }
};

template <class Int>
void run(OrtSession* session) {
    OrtMemoryInfo* memory = nullptr;
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    float logit = 0;
    OrtValue* out = nullptr;
    const std::array<std::int64_t, 2> one{1, 1};
    check(ort->CreateTensorWithDataAsOrtValue(memory, &logit, sizeof logit, one.data(), one.size(),
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &out));
    std::size_t used = 0;  // some graphs need no mask
    check(ort->SessionGetInputCount(session, &used));
    std::array<token_tensor<Int>, 3> inputs;
    std::array<const OrtValue*, 3> values{};
    const std::array names{"ids", "types", "mask"};
    if (used > names.size()) peers::fail("a graph of other inputs");
    const std::array out_names{"logit"};
    const int at_start = peers::answered_cpuids();
    peers::serve(
        [&](const std::vector<std::int32_t>& ids) {
            inputs[0].fill(memory, {ids.begin(), ids.end()});
            inputs[1].fill(memory, std::vector<Int>(ids.size(), 0));
            inputs[2].fill(memory, std::vector<Int>(ids.size(), 1));
            for (std::size_t k = 0; k < 3; ++k) values[k] = inputs[k].tensor;
        },
        [&] {
            check(ort->Run(session, nullptr, names.data(), values.data(), used, out_names.data(), 1, &out));
            return logit;
        });
    if (at_start != peers::answered_cpuids()) peers::fail("a cpuid was answered while the clock ran");
}

}  // namespace

int main(int count, char** words) {
    const auto level = peers::denied_by_name(peers::option(count, words, "--deny"));
    void* library = peers::load_denied(peers::option(count, words, "--library"),
                                       peers::option(count, words, "--cpuid-sites"), level);
    const auto base = reinterpret_cast<decltype(&OrtGetApiBase)>(dlsym(library, "OrtGetApiBase"));
    if (!base) peers::fail("not ONNX Runtime");
    ort = base()->GetApi(api_version);
    if (!ort) peers::fail("ONNX Runtime is older than 1.12");
    OrtSession* session = open_session(peers::option(count, words, "--model"));
    std::fprintf(stderr, "ONNX Runtime %s, %d cpuid answered\n", base()->GetVersionString(), peers::answered_cpuids());
    takes_int64(session) ? run<std::int64_t>(session) : run<std::int32_t>(session);
    ort->ReleaseSession(session);
}
