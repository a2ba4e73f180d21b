# The manager's image: one static binary, no shell, no root.
#
# Untested: it was written where no container engine was at hand. `docker build .` is the test.
FROM golang:1.26 AS build
WORKDIR /src
# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY api/ api/
COPY cmd/ cmd/
COPY controllers/ controllers/
COPY internal/ internal/
# `manager version`, esim_build_info and the User-Agent tell these; `make release` writes them too.
ARG VERSION=devel
ARG COMMIT=unknown
ARG DATE=unknown
RUN in=github.com/telcodev/esim-operator/internal/version; \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X $in.version=$VERSION -X $in.commit=$COMMIT -X $in.date=$DATE" \
    -o /manager ./cmd/manager

FROM gcr.io/distroless/static:nonroot
COPY --from=build /manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
CMD ["controllers"]
