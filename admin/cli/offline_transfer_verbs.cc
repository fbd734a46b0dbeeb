#include "admin/cli/offline_transfer_verbs.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "admin/cli/render.h"
#include "admin/json.h"
#include "store/decision_token.h"
#include "store/subject_hash.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;

Exit Import(Context& context, const std::string& from, const std::string& directory) {
  const auto done = store::ImportRecords(from, directory);
  if (!done.ok()) return context.Fail(done.error());
  if (context.json) return context.Print(TransferredJson(done.value()));
  context.out << Printable(directory) << " is a store with " << done->last_seq.value << " events and " << done->bundles
              << " bundles\nstate hash  " << admin::Hex64(done->state_hash)
              << "\nIt has no keys yet: tokens of the exported store open only with its token.key.\n";
  return Exit::kOk;
}

Exit Forget(Context& context, const std::string& directory, const SubjectArguments& subject) {
  const auto hash = SubjectNamed(directory, subject);
  if (!hash.ok()) return context.Fail(hash.error());
  const auto done = store::ForgetSubject(directory, hash.value(), ::geteuid(), context.clock.WallMicros());
  if (!done.ok()) return FailNegative(context, done.error());
  const bool any = done->events > 0;
  if (context.json) {
    json report = TransferredJson(done->store);
    report["forgotten_events"] = admin::Number64(done->events);
    report["forgotten_decisions"] = admin::Number64(done->decisions);
    context.Print(report);
  } else if (any) {
    context.out << "forgot " << done->events << " reports on " << done->decisions
                << " decisions; the store ends at event " << done->store.last_seq.value << "\nstate hash  "
                << admin::Hex64(done->store.state_hash)
                << "\nBackups and exports that were made before still hold the reports.\n";
  } else {
    context.out << "the store holds nothing that this subject said\n";
  }
  return any ? Exit::kOk : Exit::kNegative;
}

struct Arguments {
  std::string store = "/var/lib/pointsman";
  std::string from;
  SubjectArguments subject;
};

}  // namespace

void AddSubjectOptions(CLI::App& verb, const std::string& flag, const std::string& help, SubjectArguments* arguments) {
  auto* named = verb.add_option(flag, arguments->subject,
                                help + "; a name with --tenant, or 0x and 16 digits as `status` and `export` show it");
  verb.add_option("--tenant", arguments->tenant, "The tenant that the subject belongs to (a uid where none was named)")
      ->needs(named);
}

Result<SubjectHash> SubjectNamed(const std::string& directory, const SubjectArguments& arguments) {
  const std::string& text = arguments.subject;
  if (const auto hash = store::ParseSubjectHash(text); hash && arguments.tenant.empty()) return *hash;
  if (text.empty() || arguments.tenant.empty()) {
    return MakeError(Code::kInvalidArgument, "no_tenant",
                     "name the subject's tenant with --tenant: the same name under two tenants is two subjects");
  }
  const std::string path = directory + "/subject.key";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return MakeError(Code::kNotFound, "no_key",
                     "there is no " + path + ", so a name cannot be looked up; give the hash");
  }
  const auto key = store::LoadOrMakeKey(path);
  if (!key.ok()) return key.error();
  return store::HashSubject(key.value(), arguments.tenant, text);
}

json TransferredJson(const store::Transferred& transferred) {
  return {{"last_sequence", admin::Number64(transferred.last_seq.value)},
          {"bundles", admin::Number64(transferred.bundles)},
          {"bytes", admin::Number64(transferred.bytes)},
          {"state_hash", admin::Hex64(transferred.state_hash)}};
}

Exit FailNegative(Context& context, const Error& error) {
  return context.Fail(error, error.code == Code::kOutOfRange ? Exit::kNegative : ExitFor(error.code));
}

void AddTransferVerbs(CLI::App& app, Context& context, const std::string& group) {
  CLI::App* import = AddVerb(app, context, "import", "Makes a new store out of `export --records`, checking each event",
                             "pointsman import --from log.records --store /var/lib/pointsman");
  import->group(group);
  auto imported = std::make_shared<Arguments>();
  import->add_option("--from", imported->from, "The file that export wrote")->required();
  import->add_option("--store", imported->store, "The new store's folder: absent or empty")->capture_default_str();
  import->callback([&context, imported] { context.exit = Import(context, imported->from, imported->store);
});

CLI::App* forget = AddVerb(app, context, "forget",
                           "Takes all that one subject said out of a store, for good; exit 1 if there is nothing",
                           "pointsman forget --subject alice --tenant shop --store /var/lib/pointsman");
forget->group(group);
auto forgotten = std::make_shared<Arguments>();
forget->add_option("--store", forgotten->store, "The store's folder")->capture_default_str();
AddSubjectOptions(*forget, "--subject", "Whose reports", &forgotten->subject);
forget->get_option("--subject")->required();
forget->callback([&context, forgotten] { context.exit = Forget(context, forgotten->store, forgotten->subject); });
}  // namespace pointsman::cli

}  // namespace pointsman::cli
