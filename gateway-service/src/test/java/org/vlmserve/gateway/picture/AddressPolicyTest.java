package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class AddressPolicyTest {

    private final AtomicInteger lookUps = new AtomicInteger();
    private final Map<String, List<String>> names = Map.of(
            "public.example", List.of("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"),
            "half.example", List.of("93.184.215.14", "10.0.0.1"),
            "mapped.example", List.of("::ffff:127.0.0.1"),
            "localhost", List.of("127.0.0.1", "::1"),
            "metadata.internal", List.of("169.254.169.254"));

    private InetAddress[] resolve(String host) throws UnknownHostException {
        lookUps.incrementAndGet();
        List<String> addresses = names.get(host);
        if (addresses == null) {
            throw new UnknownHostException(host);
        }
        return addresses.stream().map(InetAddress::ofLiteral).toArray(InetAddress[]::new);
    }

    private final AddressPolicy policy = new AddressPolicy(List.of(), this::resolve);

    @Test
    void publicNamesAreResolvedOnceAndPinned() {
        AddressPolicy.Target target = policy.check("https://Public.Example/a%20b?c=d#e", "url");

        assertThat(lookUps).hasValue(1);
        assertThat(target.address().isUnresolved()).isFalse();
        assertThat(target.address().getAddress().getHostAddress()).isEqualTo("93.184.215.14");
        assertThat(target.address().getHostString()).isEqualTo("public.example");
        assertThat(target.address().getPort()).isEqualTo(443);
        assertThat(target.secure()).isTrue();
        assertThat(target.requestTarget()).isEqualTo("/a%20b?c=d");
    }

    @Test
    void publicLiteralsNeedNoLookUp() {
        assertThat(policy.check("http://93.184.215.14:8080", "url").address().getPort())
                .isEqualTo(8080);
        assertThat(policy.check("http://[2606:4700::1111]/x", "url").hostHeader())
                .isEqualTo("[2606:4700::1111]");
        assertThat(lookUps).hasValue(0);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0.0.0.0",
                "0.1.2.3",
                "10.1.2.3",
                "100.64.0.1",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.254",
                "169.254.169.254",
                "172.16.0.1",
                "172.31.255.255",
                "192.0.0.8",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.1.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.7",
                "203.0.113.7",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "[::]",
                "[::1]",
                "[::127.0.0.1]",
                "[::ffff:127.0.0.1]",
                "[::ffff:8.8.8.8]",
                "[::ffff:7f00:1]",
                "[64:ff9b::7f00:1]",
                "[64:ff9b::808:808]",
                "[64:ff9b:1::1]",
                "[100::1]",
                "[2001::1]",
                "[2001:db8::1]",
                "[2002:7f00:1::]",
                "[2002:808:808::]",
                "[3fff::1]",
                "[5f00::1]",
                "[fc00::1]",
                "[fd12:3456::1]",
                "[fe80::1]",
                "[fec0::1]",
                "[ff02::1]",
                "[fe80::1%25eth0]",
                "localhost",
                "LOCALHOST",
                "LocalHost:80",
                "half.example",
                "mapped.example",
                "metadata.internal",
                // odd spellings of loopback and its neighbours
                "2130706433",
                "0x7f000001",
                "0x7f.0.0.1",
                "0x7f.1",
                "0177.0.0.1",
                "017700000001",
                "127.1",
                "127.0.1",
                "127.0.0.01",
                "127.0.0.1.",
                "localhost.",
                "public.example.",
                "1.2.3.4.5",
                "256.1.1.1",
                "public.0x7f",
                "①②⑦.⓪.⓪.①",
                "１２７.0.0.1",
                "127。0。0。1",
                "ⓛocalhost",
                "bücher.example",
                "%6c%6f%63alhost",
                "public%2eexample",
                "user@public.example",
                "user:pass@public.example",
                "@public.example",
                "public.example:0",
                "public.example:70000",
                "public.example\\@localhost",
                "public.example%00",
                "-a.example",
                "under_score.example",
                "",
                ":80",
                "[public.example]",
                "public..example",
                "a b"
            })
    void whatIsNotPublicOrSpelledOddlyIsRefused(String authority) {
        for (String scheme : List.of("http://", "https://", "HTTP://")) {
            VlmException error = catchThrowableOfType(
                    VlmException.class, () -> policy.check(scheme + authority + "/p.png", "messages[0]"));

            assertThat(error).as(authority).isNotNull();
            assertThat(error.code()).as(error.getMessage()).isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
            assertThat(error.param()).isEqualTo("messages[0]");
            assertThat(error.getMessage()).doesNotContain("169.254", "10.0.0.1");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "file:///etc/passwd",
                "ftp://public.example/x",
                "gopher://public.example",
                "jar:http://public.example!/",
                "//public.example/x",
                "/etc/passwd",
                "p.png",
                "http:public.example",
                "javascript:1",
                "http://",
                "https:///x"
            })
    void otherUrlsAreRefused(String url) {
        assertThat(catchThrowableOfType(VlmException.class, () -> policy.check(url, "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
    }

    @Test
    void unknownNamesAreUnreachable() {
        assertThat(catchThrowableOfType(VlmException.class, () -> policy.check("http://nobody.example/", "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    @Test
    void allowedHostsMayBePrivate() {
        AddressPolicy allowing = new AddressPolicy(List.of("Localhost", "10.0.0.1:9000"), this::resolve);

        assertThat(allowing.check("http://LOCALHOST:1234/p", "url").address().getPort())
                .isEqualTo(1234);
        assertThat(allowing.check("http://10.0.0.1:9000/p", "url").address().getPort())
                .isEqualTo(9000);
        assertThat(catchThrowableOfType(VlmException.class, () -> allowing.check("http://10.0.0.1:9001/p", "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
        assertThat(catchThrowableOfType(VlmException.class, () -> allowing.check("http://localhost./p", "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
    }
}
