package org.vlmserve.media.child;

import java.time.Duration;

/** A program with a child at work, which says its child's process id and waits to be killed. */
public final class Parent {

    private Parent() {}

    public static void main(String[] args) throws InterruptedException {
        ChildPool pool = new ChildPool(ChildPoolTest.CONFIG);
        pool.warmUp();
        System.out.println(pool.pids().getFirst());
        Thread worker = new Thread(() -> pool.run(
                TestJobs.Dawdle.class, new byte[0], new byte[0], Duration.ofMinutes(5), () -> {}, in -> in.read()));
        worker.start();
        worker.join();
    }
}
