#include "tests/admin/raw_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace pointsman::admin {

RawClient::RawClient(const std::string& socket_path) {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    errno_ = errno;
    ::close(fd_);
    fd_ = -1;
  }
}

RawClient::~RawClient() {
  if (fd_ >= 0) ::close(fd_);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

RawReply RawClient::Receive() {
  std::string all;
  for (;;) {
    pollfd entry{fd_, POLLIN, 0};
    if (::poll(&entry, 1, 30'000) <= 0) break;
    char buffer[4096];
    const ssize_t count = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (count <= 0) break;
    all.append(buffer, static_cast<std::size_t>(count));
  }
  RawReply reply;
  const std::string interim = "HTTP/1.1 100";
  if (all.starts_with(interim)) all.erase(0, all.find("\r\n\r\n") + 4);
  if (all.size() < 12) return reply;
  reply.status = std::atoi(all.c_str() + 9);
  const std::size_t end = all.find("\r\n\r\n");
  reply.headers = all.substr(0, end);
  if (end != std::string::npos) reply.body = all.substr(end + 4);
  return reply;
}

RawReply Ask(const std::string& socket_path, std::string_view method, std::string_view path, std::string_view body,
             std::string_view headers) {
  RawClient client(socket_path);
  if (!client.connected()) return {};
  std::string request =
      std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: pointsman\r\n" + std::string(headers);
  if (!body.empty()) request += "Content-Type: application/json\r\n";
  if (method != "GET" && method != "HEAD") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + std::string(body);
  static_cast<void>(client.Send(request));
  return client.Receive();
}

}  // namespace pointsman::admin
