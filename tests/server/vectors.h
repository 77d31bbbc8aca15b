#pragma once

#include <string>
#include <vector>

namespace lyceum::server_test {

// A request that two readers may understand differently, with a second one behind it that one of
// them would see. `/smuggled` must never be answered, and the connection ends.
struct Vector {
  std::string name;
  std::string bytes;
};

inline std::vector<Vector> smuggling_vectors() {
  using namespace std::string_literals;
  const std::string second = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
  std::vector<Vector> out;
  const auto fields = [&](std::string name, std::string lines, std::string body) {
    out.push_back(
        {std::move(name), "POST /a HTTP/1.1\r\nHost: test\r\n" + lines + "\r\n" + body + second});
  };
  const std::string empty_chunks = "0\r\n\r\n";
  fields("CL+TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", empty_chunks);
  fields("TE+CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", empty_chunks);
  fields("CL 0+TE", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", empty_chunks);
  fields("two equal CL", "Content-Length: 5\r\nContent-Length: 5\r\n", "abcde");
  fields("two different CL", "Content-Length: 5\r\nContent-Length: 6\r\n", "abcde");
  fields("CL 5, 5", "Content-Length: 5, 5\r\n", "abcde");
  fields("CL 5,6", "Content-Length: 5,6\r\n", "abcde");
  fields("CL +5", "Content-Length: +5\r\n", "abcde");
  fields("CL 0x5", "Content-Length: 0x5\r\n", "abcde");
  fields("CL -5", "Content-Length: -5\r\n", "abcde");
  fields("CL 5 5", "Content-Length: 5 5\r\n", "abcde");
  fields("CL 5.0", "Content-Length: 5.0\r\n", "abcde");
  fields("CL 5;", "Content-Length: 5;\r\n", "abcde");
  fields("CL empty", "Content-Length:\r\n", "");
  fields("CL quoted", "Content-Length: \"5\"\r\n", "abcde");
  fields("CL past 64 bits", "Content-Length: 18446744073709551621\r\n", "abcde");
  fields("CL with a vertical tab",
         "Content-Length: \x0b"
         "5\r\n",
         "abcde");
  fields("CL with a space before the colon", "Content-Length : 5\r\n", "abcde");
  fields("TE xchunked", "Transfer-Encoding: xchunked\r\n", empty_chunks);
  fields("TE chunked, identity", "Transfer-Encoding: chunked, identity\r\n", empty_chunks);
  fields("TE identity, chunked", "Transfer-Encoding: identity, chunked\r\n", empty_chunks);
  fields("TE gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", empty_chunks);
  fields("TE identity", "Transfer-Encoding: identity\r\n", "");
  fields("TE empty", "Transfer-Encoding:\r\n", empty_chunks);
  fields("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", empty_chunks);
  fields("TE twice, other first", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
         empty_chunks);
  fields("TE chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n", empty_chunks);
  fields("TE with a space before the colon", "Transfer-Encoding : chunked\r\n", empty_chunks);
  fields("TE with a vertical tab",
         "Transfer-Encoding: \x0b"
         "chunked\r\n",
         empty_chunks);
  fields("TE quoted", "Transfer-Encoding: \"chunked\"\r\n", empty_chunks);
  fields("TE with a parameter", "Transfer-Encoding: chunked;a=b\r\n", empty_chunks);
  fields("folded TE", "Transfer-Encoding:\r\n chunked\r\n", empty_chunks);
  fields("folded field", "X: a\r\n b\r\n", "");
  fields("folded field, tab", "X: a\r\n\tb\r\n", "");
  fields("bare LF after a field", "X: a\nY: b\r\n", "");
  fields("bare LF hides TE", "X: a\nTransfer-Encoding: chunked\r\n", empty_chunks);
  fields("bare CR in a value", "X: a\rY: b\r\n", "");
  fields("bare CR hides CL", "X: a\rContent-Length: 5\r\n", "");
  fields("NUL in a value", "X: a\0b\r\n"s, "");
  fields("NUL in a name", "X\0: a\r\n"s, "");
  fields("DEL in a value",
         "X: a\x7f"
         "b\r\n",
         "");
  fields("a field without a colon", "X\r\n", "");
  fields("a field without a name", ": a\r\n", "");
  fields("a name with a space", "X Y: a\r\n", "");
  fields("two Authorizations", "Authorization: Bearer a\r\nauthorization: Bearer b\r\n", "");
  fields("two Idempotency-Keys", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "");
  fields("two Hosts", "Host: test\r\n", "");
  out.push_back({"space before the first field",
                 "GET /a HTTP/1.1\r\n Host: test\r\nHost: test\r\n\r\n" + second});
  out.push_back({"no Host", "GET /a HTTP/1.1\r\n\r\n" + second});
  out.push_back({"HTTP/1.0 with TE",
                 "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + empty_chunks + second});

  const auto chunks = [&](std::string name, std::string body) {
    fields(std::move(name), "Transfer-Encoding: chunked\r\n", std::move(body));
  };
  chunks("chunk size 0x5", "0x5\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size past 64 bits", "10000000000000005\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size -5", "-5\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size +5", "+5\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size 5 5", "5 5\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size with a leading space", " 5\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size with junk", "5z\r\nabcde\r\n0\r\n\r\n");
  chunks("chunk size missing", "\r\nabcde\r\n0\r\n\r\n");
  chunks("no CRLF after a chunk", "5\r\nabcde0\r\n\r\n");
  chunks("junk after a chunk", "5\r\nabcdeXX0\r\n\r\n");
  chunks("bare LF after a size", "5\nabcde\r\n0\r\n\r\n");
  chunks("bare LF after a chunk", "5\r\nabcde\n0\r\n\r\n");
  chunks("bare LF after the last size", "0\n\r\n");
  chunks("bare LF in an extension", "5;a\nb\r\nabcde\r\n0\r\n\r\n");
  chunks("bare CR in an extension", "5;a\rb\r\nabcde\r\n0\r\n\r\n");
  chunks("huge extension", "5;a=" + std::string(40'000, 'x') + "\r\nabcde\r\n0\r\n\r\n");
  chunks("endless extension", "5;a=" + std::string(40'000, 'x'));
  chunks("folded trailer", "0\r\nX: a\r\n b\r\n\r\n");
  chunks("bare LF in a trailer", "0\r\nX: a\nY: b\r\n\r\n");
  chunks("CL as a trailer", "0\r\nContent-Length: 5\r\n\r\n");
  chunks("TE as a trailer", "0\r\ntransfer-encoding: chunked\r\n\r\n");
  chunks("a trailer without a colon", "0\r\nX\r\n\r\n");
  chunks("a trailer with a space before the colon", "0\r\nX : a\r\n\r\n");
  chunks("a size with a space behind it", "5 \r\nabcde\r\n0\r\n\r\n");
  chunks("NUL in a trailer", "0\r\nX: a\0b\r\n\r\n"s);

  const auto line = [&](std::string name, std::string first) {
    out.push_back({std::move(name), first + "\r\nHost: test\r\n\r\n" + second});
  };
  line("absolute form", "GET http://test/a HTTP/1.1");
  line("authority form", "CONNECT test:80 HTTP/1.1");
  line("asterisk form", "OPTIONS * HTTP/1.1");
  line("a target without a slash", "GET a HTTP/1.1");
  line("no target", "GET  HTTP/1.1");
  line("two spaces before the target", "GET  /a HTTP/1.1");
  line("two spaces behind it", "GET /a  HTTP/1.1");
  line("a tab", "GET\t/a HTTP/1.1");
  line("a tab behind it", "GET /a\tHTTP/1.1");
  line("a space at the end", "GET /a HTTP/1.1 ");
  line("a space at the beginning", " GET /a HTTP/1.1");
  line("a space in the target", "GET /a b HTTP/1.1");
  line("a control character in the target", "GET /a\x01 HTTP/1.1");
  line("a byte past ASCII in the target", "GET /\xc3\xa4 HTTP/1.1");
  line("NUL in the target", "GET /a\0 HTTP/1.1"s);
  line("bare CR in the line", "GET /a HTTP/1.1\rX");
  line("a method that is no token", "G@T /a HTTP/1.1");
  line("HTTP/0.9", "GET /a");
  line("HTTP/2.0", "GET /a HTTP/2.0");
  line("HTTP/1.2", "GET /a HTTP/1.2");
  line("HTTP/11", "GET /a HTTP/11");
  line("http/1.1", "GET /a http/1.1");
  out.push_back({"bare LF at the end of the line", "GET /a HTTP/1.1\nHost: test\r\n\r\n" + second});
  out.push_back({"bare LFs alone", "GET /a HTTP/1.1\nHost: test\n\n" + second});
  out.push_back({"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + second});
  out.push_back({"a line of spaces", "  \r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n" + second});
  // RFC 9112, 2.2 would have an empty line before a request passed over; no client of these days
  // sends one, and refusing it is safe.
  out.push_back({"an empty line", "\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n" + second});
  out.push_back({"two empty lines", "\r\n\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n" + second});
  out.push_back({"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s + second});
  return out;
}

}  // namespace lyceum::server_test
