# The container image: one static binary, nothing else that could be run.
#
#	docker build --tag hookpass .
#
# A binary that was built outside takes the place of the first stage with
#
#	docker build --build-arg BINARY=prebuilt FOLDER
#
# where FOLDER holds linux/<architecture>/hookpass and, in dist/sbom/, its bill of
# materials in linux/<architecture>/hookpass.cdx.json.
ARG BINARY=build

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN bash deploy/build "$TARGETOS" "$TARGETARCH" /image/hookpass \
	&& go run ./cmd/sbom /image/hookpass /image/hookpass.cdx.json

FROM scratch AS prebuilt
ARG TARGETOS TARGETARCH
COPY $TARGETOS/$TARGETARCH/hookpass dist/sbom/$TARGETOS/$TARGETARCH/hookpass.cdx.json /image/

FROM scratch AS data
WORKDIR /data

FROM $BINARY AS binary

FROM scratch
LABEL org.opencontainers.image.title="hookpass" \
	org.opencontainers.image.description="Lets only genuine webhook deliveries reach an application, each of them once" \
	org.opencontainers.image.url="https://github.com/hookpass/hookpass" \
	org.opencontainers.image.source="https://github.com/hookpass/hookpass" \
	org.opencontainers.image.documentation="https://github.com/hookpass/hookpass/blob/main/docs/deployment.md" \
	org.opencontainers.image.licenses="Apache-2.0"
# The root certificates are in the binary.
COPY --from=binary /image/ /
# A journal, and certificates where hookpass gets them itself; without either,
# nothing is written anywhere.
COPY --from=data --chown=65532:65532 /data/ /data/
VOLUME /data
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/hookpass", "health"]
ENTRYPOINT ["/hookpass"]
CMD ["sidecar"]
