package org.vlmserve.gateway;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** A client with a socket of its own, so that it can send slowly, in parts, or not at all. */
final class RawClient implements AutoCloseable {

    private final Socket socket = new Socket();

    RawClient(TestGateway gateway) throws IOException {
        this(gateway.port());
    }

    RawClient(int port) throws IOException {
        socket.setSoTimeout(60_000);
        socket.connect(new InetSocketAddress("localhost", port));
    }

    /** The header of a chat completion whose body has this many bytes. */
    static String header(long length) {
        return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                + length + "\r\n\r\n";
    }

    void send(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    /** Reads until the gateway closes the connection. */
    String readAll() throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    /** Reads until this was seen. */
    String readUntil(String text) throws IOException {
        StringBuilder seen = new StringBuilder();
        while (seen.indexOf(text) < 0) {
            int next = socket.getInputStream().read();
            if (next < 0) {
                throw new AssertionError("the connection ended after: " + seen);
            }
            seen.append((char) next);
        }
        return seen.toString();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
