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
import org.junit.jupiter.params.provider.CsvSource;
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
            "metadata.internal", List.of("169.254.169.254"),
            "metadata.google.internal", List.of("169.254.169.254"),
            "wireserver.example", List.of("168.63.129.16"),
            "translated.example", List.of("64:ff9b::a9fe:a9fe"),
            "my_files", List.of("10.0.0.7"),
            "under_score.example", List.of("93.184.215.14"));

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
        assertThat(target.url().requestTarget()).isEqualTo("/a%20b?c=d");
    }

    @Test
    void publicLiteralsNeedNoLookUp() {
        assertThat(policy.check("http://93.184.215.14:8080", "url").address().getPort())
                .isEqualTo(8080);
        assertThat(policy.check("http://[2606:4700::1111]/x", "url").url().hostHeader())
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
                // what clouds answer themselves, and its IPv6 and translated forms
                "168.63.129.16",
                "100.100.100.200",
                "192.0.0.192",
                "192.80.8.124",
                "161.26.0.10",
                "166.8.0.1",
                "166.11.255.255",
                "[fd00:ec2::254]",
                "[fd20:ce::254]",
                "[::ffff:168.63.129.16]",
                "[::ffff:a83f:8110]",
                "[64:ff9b::a83f:8110]",
                "[64:ff9b::100.100.100.200]",
                "[2002:a83f:8110::1]",
                "[2001:0:a83f:8110::1]",
                "[2606:4700::5efe:168.63.129.16]",
                "[2606:4700::200:5efe:a83f:8110]",
                "192.31.196.1",
                "192.52.193.1",
                "192.175.48.1",
                "[2620:4f:8000::1]",
                "metadata.google.internal",
                "wireserver.example",
                "translated.example",
                "[::1",
                "[:::]",
                "[12345::1]",
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

    @ParameterizedTest
    @CsvSource(
            delimiter = '>',
            quoteCharacter = '`',
            value = {
                "https://public.example > /",
                "https://public.example?q=a b > /?q=a%20b",
                "https://public.example/a b/é.png#x > /a%20b/%C3%A9.png",
                "https://public.example/😀%zz%41 > /%F0%9F%98%80%25zz%41",
                "https://public.example/a/./b/../c/%2e%2E/d > /a/d",
                "https://public.example/../../etc/passwd > /etc/passwd",
                "https://public.example/a\\b|{}^ > /a%5Cb%7C%7B%7D%5E",
                "https://public.example/p?u=http://a/?b > /p?u=http://a/?b",
            })
    void pathsAreTakenAsBrowsersDo(String url, String target) {
        assertThat(policy.check(url, "url").url().requestTarget()).isEqualTo(target);
        assertThat(policy.check(url, "url").url().host()).isEqualTo("public.example");
    }

    @Test
    void longUrlsAreRefusedBeforeTheyAreRead() {
        String url = "https://public.example/" + "a/".repeat(4000);
        assertThat(policy.check(url, "url").url().requestTarget()).hasSize(8001);
        assertThat(catchThrowableOfType(VlmException.class, () -> policy.check(url + "a".repeat(1000), "url")))
                .hasMessageContaining("9023 characters, expected at most 8192")
                .extracting(VlmException::code)
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
        AddressPolicy underscores = new AddressPolicy(List.of("my_files:9000"), this::resolve);
        assertThat(underscores.check("http://My_Files:9000/p", "url").address().getHostString())
                .isEqualTo("my_files");
        assertThat(catchThrowableOfType(VlmException.class, () -> underscores.check("http://my_files/p", "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
        assertThat(catchThrowableOfType(VlmException.class, () -> allowing.check("http://localhost./p", "url"))
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
    }
}
