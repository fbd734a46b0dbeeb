#include "base/error.h"

#include "base/contract.h"

namespace pointsman {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kDuplicateOk: return "DUPLICATE_OK";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kOutOfRange: return "OUT_OF_RANGE";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kExpired: return "EXPIRED";
    case Code::kPermissionDenied: return "PERMISSION_DENIED";
    case Code::kConflict: return "CONFLICT";
    case Code::kFailedPrecondition: return "FAILED_PRECONDITION";
    case Code::kBusy: return "BUSY";
    case Code::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case Code::kUnavailable: return "UNAVAILABLE";
    case Code::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case Code::kDataLoss: return "DATA_LOSS";
    case Code::kInternal: return "INTERNAL";
  }
  Unreachable("a Code outside its enumeration");
}

Retry RetryAdvice(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kDuplicateOk:
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
    case Code::kNotFound:
    case Code::kExpired:
    case Code::kPermissionDenied:
    case Code::kConflict:
    case Code::kFailedPrecondition:
    case Code::kDataLoss:
    case Code::kInternal: return Retry::kNever;
    case Code::kDeadlineExceeded: return Retry::kSameRequest;
    case Code::kBusy:
    case Code::kResourceExhausted:
    case Code::kUnavailable: return Retry::kAfterBackoff;
  }
  Unreachable("a Code outside its enumeration");
}

int HttpStatus(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kDuplicateOk: return 200;
    case Code::kInvalidArgument: return 400;
    case Code::kOutOfRange: return 422;
    case Code::kNotFound: return 404;
    case Code::kExpired: return 410;
    case Code::kPermissionDenied: return 403;
    case Code::kConflict: return 409;
    case Code::kFailedPrecondition: return 412;
    case Code::kBusy: return 409;
    case Code::kResourceExhausted: return 429;
    case Code::kUnavailable: return 503;
    case Code::kDeadlineExceeded: return 504;
    case Code::kDataLoss:
    case Code::kInternal: return 500;
  }
  Unreachable("a Code outside its enumeration");
}

Exit ExitFor(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kDuplicateOk: return Exit::kOk;
    case Code::kInvalidArgument:
    case Code::kOutOfRange: return Exit::kUsage;
    case Code::kNotFound:
    case Code::kExpired:
    case Code::kConflict:
    case Code::kFailedPrecondition: return Exit::kNegative;
    case Code::kPermissionDenied: return Exit::kNotPermitted;
    case Code::kBusy:
    case Code::kResourceExhausted:
    case Code::kUnavailable: return Exit::kTryLater;
    case Code::kDeadlineExceeded: return Exit::kUnreachable;
    case Code::kDataLoss: return Exit::kDataDamaged;
    case Code::kInternal: return Exit::kOurBug;
  }
  Unreachable("a Code outside its enumeration");
}

}  // namespace pointsman
