package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The {@code vlm ask} commands that use the suite now: a note each in {@code run/}, which counts while its process lives. */
final class Askers {

    private static final String PREFIX = "ask-";

    private final Home home;
    private final ProcessIdentity identities;

    Askers(Home home, ProcessIdentity identities) {
        this.home = home;
        this.identities = identities;
    }

    private static String own() {
        return PREFIX + ProcessHandle.current().pid();
    }

    void enter() throws IOException {
        home.write(own(), RunningProgram.self(identities));
    }

    void leave() throws IOException {
        home.forget(own());
    }

    /** Process numbers of those other than this process. */
    List<Long> others() throws IOException {
        List<Long> others = new ArrayList<>();
        try (Stream<Path> files = Files.list(home.run())) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (!name.startsWith(PREFIX) || !name.endsWith(".json")) {
                    continue;
                }
                String note = name.substring(0, name.length() - ".json".length());
                boolean alive = home.read(note, RunningProgram.class)
                        .flatMap(asker -> asker.alive(identities))
                        .isPresent();
                if (!alive) {
                    home.forget(note);
                } else if (!note.equals(own())) {
                    others.add(Long.parseLong(note.substring(PREFIX.length())));
                }
            }
        }
        return others;
    }
}
