# syntax=docker/dockerfile:1
# One image for every program of the suite. The first argument says which:
#   docker build -t vlm-suite .
#   docker run vlm-suite @gateway.args --vlm.kafka.bootstrap-servers=broker:9092

FROM maven:3.9-eclipse-temurin-25 AS build
WORKDIR /src
COPY pom.xml ./
COPY .mvn .mvn
COPY common common
COPY model-importer model-importer
COPY vision-encoder-service vision-encoder-service
COPY projector-service projector-service
COPY decoder-service decoder-service
COPY gateway-service gateway-service
COPY launcher launcher
COPY system-tests/pom.xml system-tests/
RUN --mount=type=cache,target=/root/.m2 mvn -B -ntp -pl launcher -am -DskipTests package

FROM eclipse-temurin:25-jre AS suite
RUN groupadd --gid 10001 vlm && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp vlm
WORKDIR /app
COPY --from=build /src/launcher/target/suite/ ./
USER 10001:10001
# The native libraries in the jars are unpacked below /tmp, the only place that is written to.
ENV DJL_OFFLINE=true \
    OPT_OUT_TRACKING=true \
    DJL_CACHE_DIR=/tmp/djl \
    MANAGEMENT_SERVER_PORT=9090 \
    JDK_JAVA_OPTIONS="-XX:+ExitOnOutOfMemoryError"
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/actuator/health/readiness"]
# Each .args file holds the options, the class path and the main class of one program.
ENTRYPOINT ["java"]
CMD ["@gateway.args"]
