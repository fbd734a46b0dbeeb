// The bytes of HTTP by hand over a Unix socket, so that a test can send what no
// proper client would.
#pragma once

#include <string>
#include <string_view>

namespace pointsman::admin {

struct RawReply {
  int status = 0;  // 0: no answer
  std::string headers;
  std::string body;
};

class RawClient {
 public:
  // Connects at once; connected() says whether that worked.
  explicit RawClient(const std::string& socket_path);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  bool connected() const { return fd_ >= 0; }
  int connect_errno() const { return errno_; }
  // False once the server has closed.
  bool Send(std::string_view bytes);
  // Reads to the end of the connection, at most 30 s.
  RawReply Receive();

 private:
  int fd_ = -1;
  int errno_ = 0;
};

// One whole exchange. `headers`: further header lines, each ending in CRLF.
RawReply Ask(const std::string& socket_path, std::string_view method, std::string_view path, std::string_view body = {},
             std::string_view headers = {});

}  // namespace pointsman::admin
