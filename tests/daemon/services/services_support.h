// The services over a store in memory: no sockets, no disk, a clock that is moved.
// For one test's thread; what is answered later comes from the commit thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "daemon/dispatcher.h"
#include "daemon/mutations.h"
#include "store/bundle_file.h"
#include "store/store.h"

namespace pointsman::daemon::testing {

inline constexpr std::chrono::seconds kPatience{120};

// What a request was answered with, whenever it came.
class Answer {
 public:
  void Put(std::string bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ = std::move(bytes);
    done_.notify_all();
  }
  void Put(const Error& error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
    done_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, kPatience, [this] { return bytes_ || error_; });
  }
  const std::optional<Error>& error() const { return error_; }
  template <typename Message>
  Message As() const {
    Message message;
    EXPECT_FALSE(error_.has_value()) << error_->message;
    if (bytes_) {
      EXPECT_TRUE(message.ParseFromString(*bytes_));
    }
    return message;
  }
  // OK for an answer without an error.
  Code code() const { return error_ ? error_->code : Code::kOk; }
  std::string reason() const { return error_ ? error_->reason : ""; }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<std::string> bytes_;
  std::optional<Error> error_;
};

// Hands what a service says to the Answer.
class TestChannel final : public ReplyChannel {
 public:
  explicit TestChannel(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  void Now(const google::protobuf::MessageLite& message) override { answer_->Put(message.SerializeAsString()); }
  void Fail(const Error& error) override { answer_->Put(error); }
  std::shared_ptr<LateReply> Later() override {
    struct Late final : LateReply {
      explicit Late(std::shared_ptr<Answer> to) : answer(std::move(to)) {}
      void Send(const google::protobuf::MessageLite& message) override { answer->Put(message.SerializeAsString()); }
      void Fail(const Error& error) override { answer->Put(error); }
      std::shared_ptr<Answer> answer;
    };
    return std::make_shared<Late>(answer_);
  }

 private:
  std::shared_ptr<Answer> answer_;
};

// With the hash of its content.
inline policy::Bundle Hashed(policy::Bundle bundle) {
  auto read = store::DecodeBundle(store::EncodeBundle(bundle));
  EXPECT_TRUE(read.ok());
  return std::move(read).value();
}

// One cluster per axis of two dimensions, two models.
inline policy::Bundle TwoClusters() {
  policy::Bundle bundle;
  bundle.embedder = {"caller", 2, {}};
  bundle.models = {"large", "small"};
  bundle.centroids = {1, 0, 0, 1};
  bundle.cluster_names = {"east", "north"};
  bundle.cluster_sizes = {20, 10, 10};
  bundle.skills = {0.5, 0.5, 0.9, 0.2, 0.3, 0.8};
  bundle.anchors = {1, 0, 0, 1};
  bundle.mean_prior = {0.6, 0.5};
  bundle.tokens = {policy::TokenStatistics{}, policy::TokenStatistics{}};
  bundle.task_share = 0;
  bundle.made_from = "test";
  bundle.labels = "scores";
  return Hashed(std::move(bundle));
}

// Everything between the transport and the store.
class Services {
 public:
  explicit Services(std::size_t queue_capacity = 1024)
      : store_(store::MakeMemoryStore()), clock_(1'700'000'000'000'000), mint_(Key(1), {}, 7) {
    auto learner = LearnerLoop::Create(*store_, clock_, cell_, {}, {});
    EXPECT_TRUE(learner.ok());
    learner_ = std::move(learner).value();
    store::CommitQueueOptions options;
    options.capacity = queue_capacity;
    queue_ = std::make_unique<store::CommitQueue>(
        *store_, clock_, options,
        store::CommitQueue::Hooks{[this](LogSeq last) { learner_->Wake(last); }, [](const Error&) {}});
    learner_->Start(*queue_);
    mutations_ = std::make_unique<Mutations>(*store_, *queue_, *learner_, 8, kPatience);
    context_.reset(new ServiceContext{.clock = clock_,
                                      .cell = cell_,
                                      .store = *store_,
                                      .queue = *queue_,
                                      .mint = mint_,
                                      .subject_key = Key(2),
                                      .metrics = metrics_,
                                      .not_logged = not_logged_,
                                      .rules = {},
                                      .default_weights = {},
                                      .decision_ttl_us = std::int64_t{60'000'000} * 60});
    dispatcher_ = std::make_unique<ServiceDispatcher>(*context_, *learner_);
    for (const char* name : {"small", "large"}) {
      EXPECT_TRUE(mutations_->AddModel({}, name, {1, 1}, 0).ok());
    }
    policy::Options learning;
    learning.sources = {"thumbs"};
    EXPECT_TRUE(mutations_->SetOptions({}, learning).ok());
  }
  ~Services() {
    queue_->Stop();
    EXPECT_TRUE(learner_->Stop().ok());
  }

  void ActivateTwoClusters() {
    const policy::Bundle bundle = TwoClusters();
    const Status stored = mutations_->PutBundle(bundle);
    ASSERT_TRUE(stored.ok()) << stored.error().message;
    const auto live = mutations_->Activate({}, bundle.hash, "test", false);
    ASSERT_TRUE(live.ok()) << live.error().message;
  }

  std::shared_ptr<Answer> Send(FrameKind kind, const std::string& payload, uid_t uid = ::getuid()) {
    auto answer = std::make_shared<Answer>();
    TestChannel channel(answer);
    dispatcher_->Handle(Peer{uid, 0, 1}, {kind, 1, payload}, channel);
    return answer;
  }
  template <typename Message>
  std::shared_ptr<Answer> Ask(FrameKind kind, const Message& message, uid_t uid = ::getuid()) {
    auto answer = Send(kind, message.SerializeAsString(), uid);
    EXPECT_TRUE(answer->Wait());
    return answer;
  }
  std::string RouteToken(uid_t uid = ::getuid()) {
    wire::Route route;
    route.set_text("hello");
    return Ask(FrameKind::kRoute, route, uid)->As<wire::RouteReply>().token();
  }

  store::Store& store() { return *store_; }
  store::CommitQueue& queue() { return *queue_; }
  ManualClock& clock() { return clock_; }
  Metrics& metrics() { return metrics_; }
  Mutations& mutations() { return *mutations_; }
  LearnerLoop& learner() { return *learner_; }
  ServiceContext& context() { return *context_; }
  SnapshotCell& cell() { return cell_; }

 private:
  static store::TokenKey Key(std::uint8_t fill) {
    store::TokenKey key{};
    key.fill(fill);
    return key;
  }

  std::unique_ptr<store::Store> store_;
  ManualClock clock_;
  SnapshotCell cell_;
  store::TokenMint mint_;
  Metrics metrics_;
  NotLogged not_logged_;
  std::unique_ptr<LearnerLoop> learner_;
  std::unique_ptr<store::CommitQueue> queue_;
  std::unique_ptr<Mutations> mutations_;
  std::unique_ptr<ServiceContext> context_;
  std::unique_ptr<ServiceDispatcher> dispatcher_;
};

}  // namespace pointsman::daemon::testing
