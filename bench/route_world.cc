#include "bench/route_world.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/unit_draw.h"
#include "clients/cpp/client.h"
#include "store/bundle_file.h"
#include "tests/end_to_end/daemon_process.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::bench {
namespace {

constexpr double kSpread = 1.0;  // length of the noise around a centroid of length 1

std::vector<float> Near(const float* centre, std::size_t dimension, SplitMix64& random) {
  std::vector<float> vector(dimension);
  const double scale = kSpread / std::sqrt(static_cast<double>(dimension));
  double squares = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    const double value = static_cast<double>(centre[i]) + scale * random.Normal();
    vector[i] = static_cast<float>(value);
    squares += value * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
  return vector;
}

Error FromClient(const client::Failure& failure) {
  return MakeError(Code::kUnavailable, failure.reason, failure.message);
}

std::string ConfigOf(const testing::Folder& folder, const policy::Bundle& bundle) {
  std::string config = fmt::format(
      "[store]\ndirectory = \"{}\"\n[sockets]\nroute = \"{}\"\napi = \"\"\nadmin = \"{}\"\n"
      "[routing]\nbundle = \"{}\"\n[learning]\nsources = [\"thumbs\"]\n",
      folder.File("store"), folder.File("r.sock"), folder.File("a.sock"), folder.File("bundle"));
  double price = 0.1;
  for (const std::string& model : bundle.models) {
    config +=
        fmt::format("[[models]]\nname = \"{}\"\ninput_usd_per_million = {:.3f}\noutput_usd_per_million = {:.3f}\n",
                    model, price, 4 * price);
    price *= 1.2;
  }
  return config;
}

}  // namespace

struct RouteWorld::Impl {
  testing::Folder folder;
  std::shared_ptr<policy::Bundle> bundle;
  std::string socket_path;
  std::optional<testing::DaemonProcess> daemon;
};

RouteWorld::RouteWorld(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RouteWorld::~RouteWorld() {
  impl_->daemon->Kill(SIGTERM);
  impl_->daemon->Wait();
}

Result<std::unique_ptr<RouteWorld>> RouteWorld::Start(const WorldShape& shape) {
  auto impl = std::make_unique<Impl>();
  impl->socket_path = impl->folder.File("r.sock");
  impl->bundle = policy::testing::RandomBundle({.dimension = shape.dimension,
                                                .clusters = shape.clusters,
                                                .models = shape.models,
                                                .anchors = shape.anchors,
                                                .tasks = shape.tasks},
                                               1);
  SplitMix64 random(2);
  policy::Bundle& bundle = *impl->bundle;
  for (std::size_t a = 0; a < shape.anchors && shape.clusters > 0; ++a) {
    const auto anchor = Near(bundle.centroids.data() + a % shape.clusters * shape.dimension, shape.dimension, random);
    std::copy(anchor.begin(), anchor.end(), bundle.anchors.begin() + static_cast<std::ptrdiff_t>(a * shape.dimension));
  }
  bundle.hash = {};
  const Status written = store::WriteBundleFile(impl->folder.File("bundle"), bundle);
  if (!written.ok()) return written.error();
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  ::setenv("POINTSMAN_BIN", beside.c_str(), 0);
  impl->daemon.emplace(impl->folder, ConfigOf(impl->folder, bundle));
  if (!impl->daemon->Ready()) {
    return MakeError(Code::kUnavailable, "no_daemon",
                     fmt::format("{} does not serve: {}", testing::Binary(), impl->daemon->Log()));
  }
  return std::unique_ptr<RouteWorld>(new RouteWorld(std::move(impl)));
}

const std::string& RouteWorld::socket_path() const { return impl_->socket_path; }

std::vector<std::vector<float>> RouteWorld::Queries(std::size_t count, std::uint64_t seed) const {
  SplitMix64 random(seed);
  const policy::Bundle& bundle = *impl_->bundle;
  std::vector<std::vector<float>> queries;
  for (std::size_t i = 0; i < count; ++i) {
    const auto cluster = static_cast<std::size_t>(random.Below(bundle.cluster_count()));
    queries.push_back(Near(bundle.centroids.data() + cluster * bundle.dimension(), bundle.dimension(), random));
  }
  return queries;
}

Status RouteWorld::Warm(std::size_t decisions) {
  auto client = impl_->daemon->Connect();
  if (!client.ok()) return FromClient(client.failure());
  constexpr std::size_t kAtOnce = 256;
  SplitMix64 random(3);
  for (std::size_t done = 0; done < decisions; done += kAtOnce) {
    std::vector<wire::Route> routes;
    for (const auto& query : Queries(kAtOnce, 100 + done)) {
      routes.emplace_back().mutable_embedding()->Assign(query.begin(), query.end());
      // Every model gets its share: one that is never asked has no cells to read.
      routes.back().add_allowed(impl_->bundle->models[random.Below(impl_->bundle->models.size())]);
    }
    std::vector<wire::Rate> rates;
    for (auto& reply : client->Pipeline(routes)) {
      if (!reply.ok()) return FromClient(reply.failure());
      wire::Rate& rate = rates.emplace_back();
      rate.set_token(reply->token());
      rate.set_source("thumbs");
      rate.set_value(random.Unit() < 0.6 ? 1 : 0);
    }
    for (const auto& ack : client->Pipeline(rates)) {
      if (!ack.ok()) return FromClient(ack.failure());
    }
  }
  return {};
}

}  // namespace pointsman::bench
