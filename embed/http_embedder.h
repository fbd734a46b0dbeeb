// Vectors from an OpenAI-compatible endpoint: POST base_url/embeddings.
//
// Batched for a bootstrap (EmbedMany); for a request one text, with a cache of the
// last 4,096 and one time limit. When the endpoint does not answer in time the query
// gets no vector and so lies in the background, where the models' overall qualities
// decide; for two seconds nobody asks again. That is the whole fallback;
// CountsOf counts it.
//
// A request waits for the endpoint, on a thread that serves nobody else (Embedder::waits):
// keep the time limit small, or send vectors (kind "caller") and embed in the service.
//
// The space is named by model and dimension; URL and key may change with the machine:
// the bundle keeps the URL and the name of the key's environment variable, never the key.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "embed/embedder.h"

namespace pointsman::embed {

struct HttpEmbedderOptions {
  std::string base_url;
  std::string model;
  std::string key_env;             // empty: no key
  std::uint32_t timeout_ms = 250;  // of one request's text; a batch has 60 seconds
  std::uint32_t batch = 64;        // texts of one call in EmbedMany
};

// Asks the endpoint once, for the dimension. Errors: INVALID_ARGUMENT (base_url, model,
// key_missing); UNAVAILABLE or DEADLINE_EXCEEDED embedder_down; DATA_LOSS malformed_reply.
Result<FittedEmbedder> MakeHttpEmbedder(const HttpEmbedderOptions& options);

// Errors: DATA_LOSS embedder_mismatch; FAILED_PRECONDITION key_missing. The endpoint
// need not answer now.
Result<std::shared_ptr<const Embedder>> LoadHttpEmbedder(const policy::EmbedderIdentity& identity,
                                                         std::span<const std::uint8_t> model);

struct HttpEmbedderCounts {
  std::uint64_t asked = 0;      // calls to the endpoint
  std::uint64_t cached = 0;     // texts found in the cache
  std::uint64_t fallbacks = 0;  // texts that got no vector, because it was down
};
// Of an embedder of this kind; all zero for another.
HttpEmbedderCounts CountsOf(const Embedder& embedder);

}  // namespace pointsman::embed
