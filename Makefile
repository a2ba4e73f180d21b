# esim-operator: what can be made. `make` alone lists it.
#
# Go 1.26, git and make are all that is needed. Tools are run from hack/tools by `go tool`,
# which builds each once and keeps it in Go's build cache, outside of the checkout.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOL := go tool -modfile=hack/tools/go.mod
RUN_DIR ?= .run
# What is released, and the image of it.
VERSION ?= $(shell sed -n 's/^appVersion: //p' charts/esim-operator/Chart.yaml)
IMG ?= esim-operator:$(VERSION)
REPOSITORY ?= esim-operator
FUZZTIME ?= 30s

RELEASE = go run -C hack/release . -version '$(VERSION)' -repository '$(REPOSITORY)' -helm "$$($(TOOL) -n helm)"

# The folder of etcd, kube-apiserver and kubectl; found or built when first asked for.
CONTROL_PLANE = go run -C hack/controlplane .

.PHONY: help
help: ## List what can be made
	@awk 'BEGIN {FS = ":.*## "; print "make <target>, with one of"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use it

# exec, so that signals reach the supervisor and nothing stands between.
.PHONY: run
run: ## Bring up a control plane, a simulator of four operators and the manager, until Ctrl-C
	@echo 'run: building the supervisor (a minute or two the first time)'
	@go build -o bin/run ./hack/run
	@RUN_DIR='$(RUN_DIR)' exec bin/run

.PHONY: clean-run
clean-run: ## Remove the state that `make run` has left
	@RUN_DIR='$(RUN_DIR)' go run ./hack/run clean

.PHONY: build
build: ## Build the manager and the simulator into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: release
release: ## Make what is published of a version into dist/: VERSION=v0.1.0; REPOSITORY names the image
	assets=$$($(CONTROL_PLANE)); $(RELEASE) -kubectl "$$assets/kubectl" -out '$(CURDIR)/dist' make

.PHONY: build-installer
build-installer: ## Write dist/install.yaml, which is config/default in one file; IMG names the image
	assets=$$($(CONTROL_PLANE)); hack/tools/installer.sh "$$assets/kubectl" '$(IMG)' dist/install.yaml

##@ Check it

# Much of what the tests of a package do is waiting, for a time to pass or a control plane to come
# up: four packages at one time keep two cores busy. With GOGC, which API servers inherit, less time
# goes into collecting garbage, for some hundred megabytes each.
.PHONY: test
test: ## Run every test that needs Go alone
	@# Built before a test's deadline waits for it: test/chart runs Helm.
	@$(TOOL) -n helm >/dev/null
	assets=$$($(CONTROL_PLANE)); GOGC=400 KUBEBUILDER_ASSETS=$$assets go test -p 4 ./...
	go test -C hack/controlplane .
	go test -C hack/release .

.PHONY: test-e2e
test-e2e: ## Walk through the README, the tutorial and the how-tos, save a shop and restore it, fail over between operators and watch with a Prometheus, click through the console, against `make run`; make a release twice; break what all of it runs on
	test/e2e/walk.sh
	test/e2e/tutorial.sh
	test/e2e/howto.sh
	test/e2e/backup.sh
	test/e2e/operators.sh
	test/e2e/watch.sh
	test/e2e/console.sh
	@# After the console, which has seen to a browser and npm.
	go run ./test/e2e/pictures docs/*.md
	$(MAKE) --no-print-directory release-check
	assets=$$($(CONTROL_PLANE)); KUBEBUILDER_ASSETS=$$assets go run ./test/platform

# What is committed is built; COLD=1 has the second build start from nothing, for some minutes.
.PHONY: release-check
release-check: ## Make a release for linux/amd64 twice, compare every byte, and read the image back
	assets=$$($(CONTROL_PLANE)); $(RELEASE) -kubectl "$$assets/kubectl" -only linux/amd64 $(if $(COLD),-cold) check

.PHONY: test-crash
test-crash: ## Stop the manager at every point of every story; random histories of money on a real API server; a large catalogue
	assets=$$($(CONTROL_PLANE)); CRASH_EVERYWHERE=1 GOGC=400 KUBEBUILDER_ASSETS=$$assets go test -count=1 -v -timeout 30m ./test/crash ./test/money
	assets=$$($(CONTROL_PLANE)); CATALOGUE_PRODUCTS=2000 KUBEBUILDER_ASSETS=$$assets go test -count=1 ./controllers -run TestControllers -ginkgo.focus 'of many products'

.PHONY: test-soak
test-soak: ## Sell 2,000 eSIMs while all operators fail and the manager is killed; test/soak/main.go tells its variables
	assets=$$($(CONTROL_PLANE)); KUBEBUILDER_ASSETS=$$assets go run ./test/soak

.PHONY: fuzz
fuzz: ## Run every fuzz target, one after another, each for FUZZTIME (30s)
	hack/tools/fuzz.sh '$(FUZZTIME)'

.PHONY: bench
bench: ## Measure the manager beside a bare client and the REST API beside a plain handler; a quarter of an hour
	assets=$$($(CONTROL_PLANE)); KUBEBUILDER_ASSETS=$$assets go run ./test/bench

.PHONY: bench-large
bench-large: ## Measure memory and restart of a manager with 10,000 and 100,000 orders
	assets=$$($(CONTROL_PLANE)); KUBEBUILDER_ASSETS=$$assets go run ./test/bench -only large

.PHONY: lint
lint: ## Run the linters of .golangci.yml, and those of the chart and of the REST API's document
	$(TOOL) golangci-lint run ./...
	cd hack/controlplane && go tool -modfile=../tools/go.mod golangci-lint run --config=../../.golangci.yml .
	cd hack/release && go tool -modfile=../tools/go.mod golangci-lint run --config=../../.golangci.yml .
	$(TOOL) helm lint --strict charts/esim-operator
	$(TOOL) vacuum lint --ruleset=api/rest/lint.yaml --ext-refs --fail-severity=info --details --no-banner --no-style api/rest/esim.yaml

.PHONY: verify
verify: ## Fail where generated files, go.mod, manifests or PROJECT are not what they should be
	hack/tools/verify.sh

.PHONY: licences
licences: ## Fail where a module that is shipped has a licence that is not allowed
	hack/tools/licences.sh

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities; needs Go's vulnerability database
	hack/tools/vulncheck.sh '$(VULNDB)'

##@ Change it

.PHONY: generate
generate: ## Generate deepcopy functions, the REST API's server and client from its document, docs/metrics.md
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(TOOL) oapi-codegen -config internal/facade/wire/generate.yaml api/rest/esim.yaml
	$(TOOL) oapi-codegen -config api/rest/client/generate.yaml api/rest/esim.yaml
	go run ./hack/metrics docs/metrics.md

.PHONY: manifests
manifests: ## Generate CRDs and the manager's role
	$(TOOL) controller-gen crd rbac:roleName=controllers paths=./... \
	  output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac

.PHONY: chart
chart: ## Write those parts of the Helm chart that config/ and the comments in its values.yaml say
	assets=$$($(CONTROL_PLANE)); go run ./hack/chart -kubectl "$$assets/kubectl"

.PHONY: docs
docs: ## Write docs/reference from the CRDs and the REST API's document
	go run ./hack/reference config/crd/bases api/rest/esim.yaml docs/reference

.PHONY: fmt
fmt: ## Format all code
	gofmt -w api cmd controllers hack internal test
