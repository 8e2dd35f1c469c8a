# A newcomer needs two commands: `make demo` and `make test`. On a fresh Debian
# machine, both install what they need.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell git log -1 --format=%cd --date=format:%Y-%m-%d 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
RECORDINGS ?= testdata/recordings
RUNS    ?= 3
PREFIX  ?= /usr/local
DESTDIR ?=

# A pinned linter, built by the project's own Go toolchain.
GOLANGCI_VERSION = v2.15.0
GOLANGCI = .cache/bin/golangci-lint-$(GOLANGCI_VERSION)

export PATH := $(PATH):/usr/local/go/bin

# Real storage servers for tests. VersityGW is not in go.mod: its many
# dependencies must not become ours.
VERSITYGW_VERSION = v1.8.0
VERSITYGW = .cache/bin/versitygw
AZURITE_VERSION = 3.35.0
AZURITE = .cache/azurite/node_modules/.bin/azurite-blob

# The packager. Later versions need modules that are not available everywhere.
NFPM_VERSION = v2.44.0
NFPM = .cache/bin/nfpm-$(NFPM_VERSION)

.PHONY: help package release test-package test-image test-portable test-arm64 test-deb test-service check-unit notices sbom image all setup build demo test purego storage-servers test-storage race bench microbench bench-governor compare bench-backlog bench-scan load soak test-faults test-fleet test-kill test-steps reference fuzz lint vulncheck fmt vet install clean

all: build

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the tests need and this machine lacks: ffmpeg, fuse, Chromium, podman, a Go toolchain
	@.ci/setup test

# `make build`, `make demo` and the packages need less than the tests.
.PHONY: setup-build setup-run setup-release
setup-build setup-run setup-release: setup-%:
	@.ci/setup $*

build: setup-build ## build bin/jumpserver-video
	CGO_ENABLED=$(or $(CGO_ENABLED),$(shell go env CGO_ENABLED)) go build -ldflags '$(LDFLAGS)' -o bin/jumpserver-video ./cmd/jumpserver-video

demo: setup-run build ## run the whole product on bundled recordings
	bin/jumpserver-video demo

test: setup ## run the whole test suite
	.ci/go-test ./...

# Packages that `make check` skips: their tests need a browser, npm or other servers, run
# whole agents, or take long.
CHECK_SKIPS = /cmd/bench|/cmd/jumpserver-video|/statuspage|/agenttest|/notices|/storage|/watcher/bucket|/volumetest|/transcode/queue|/transcode/render|jumpserver-video/transcode$$
.PHONY: check
check: setup-run ## run this while you work: format, vet and the quick tests
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt would change: $$files"; exit 1; }
	go vet ./...
	go test -short $$(go list ./... | grep -vE '$(CHECK_SKIPS)')
	go test -short -run 'OneVoice|LinksOf|CommandsOf|Scripts|HelpIs|ManualPages|ArchitectureNames|InStep' ./cmd/jumpserver-video

.PHONY: ports
ports: setup-build ## check that the program compiles without C, for a processor other than amd64 and arm64
	CGO_ENABLED=0 GOARCH=loong64 go build -tags nodemo -o /dev/null ./cmd/jumpserver-video

# The packages that have a variant without C, and those whose tests show that both
# variants give the same results.
PUREGO = ./transcode/guac ./transcode/video ./transcode/render ./watcher/recording/gunzip
purego: setup ## vet and test the renderer and the encoder without C
	CGO_ENABLED=0 go vet $(PUREGO)
	CGO_ENABLED=0 .ci/go-test -short -run 'Reference|Bundled|WebP|PNG|Pixel|Formats|Conversion|Smaller|Timestamps|TheLastFrame|SameAs|SmallReads' $(PUREGO)

storage-servers: $(VERSITYGW) $(AZURITE)

test-storage: setup storage-servers ## test replay storages with real servers
	STORAGE_TESTS=all .ci/go-test ./coreapi/storage/... ./watcher/bucket/...
	STORAGE_TESTS=all .ci/go-test -run Bucket ./transcode ./cmd/jumpserver-video

$(VERSITYGW):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)

$(AZURITE):
	@mkdir -p .cache/azurite
	npm install --silent --no-audit --no-fund --prefix .cache/azurite azurite@$(AZURITE_VERSION)

# axe finds accessibility faults in web pages. The status page's tests run it.
AXE_VERSION = 4.14.1
.cache/axe:
	npm install --silent --no-audit --no-fund --prefix $@ axe-core@$(AXE_VERSION) || { rm -rf $@; exit 1; }

# promtool checks Prometheus's rules. It is unpacked from Debian's package, because
# installing the package would start a service.
.cache/bin/promtool:
	@mkdir -p $(@D) && rm -rf .cache/prometheus && mkdir -p .cache/prometheus && chmod 0777 .cache/prometheus
	cd .cache/prometheus && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .
	mv .cache/prometheus/usr/bin/promtool $@ && rm -rf .cache/prometheus

.PHONY: test-players
test-players: ## test MP4s in mpv and Chromium, and with a decoder other than ffmpeg's
	@.ci/setup players
	PLAYERS_TESTS=all go test -count=1 -v -run 'AnotherDecoder|MPV|Chromium' ./transcode/render

.PHONY: test-hostile
test-hostile: setup ## check that the program limits its memory and time for hostile recordings
	HOSTILE_TESTS=all go test -count=1 -v -timeout 30m -run TestHostile ./cmd/jumpserver-video

# Packages that share state between goroutines, without the benchmarks and without the
# packages whose tests run whole agents or draw for minutes. Of the latter, `make race`
# runs only the tests with the most concurrency.
RACE = $$(go list -f '{{.ImportPath}} {{join .Imports " "}}' ./... | grep -E ' (sync|golang.org/x/sync)[ /]' | cut -d ' ' -f 1 | \
	grep -v -e /cmd/bench/ -e /cmd/jumpserver-video$$ -e jumpserver-video/transcode$$ -e /transcode/guac -e /transcode/render$$)
race: setup ## run the race detector on packages that share state between goroutines
	.ci/go-test -race -short -skip 'TenThousand|LittleMemory|KilledAtEvery|Bounded' $(RACE)
	.ci/go-test -race -short -run 'WhateverHappens|Workers|Stop|Hanging|Vanishes|InMidTask|OneCircuit|WhileOneIs|AtOnce|HoldsNoOther|ObjectsThatChange|WaitForTheUpload|ManySessions|Operator|RazorHandsOver|RunTime|Recordings|Play|Pieces|Covered' \
		./transcode ./cmd/jumpserver-video ./transcode/guac

# The ffmpeg of the packages. Its first build takes two minutes.
PACKAGED_FFMPEG = $$(packaging/static/build $$(dpkg --print-architecture))/ship

bench: setup-run setup-release build ## measure speed, memory, size and quality of conversions; RECORDINGS=FOLDER for other recordings
	go run ./cmd/bench convert --runs $(RUNS) --ffmpeg "$(PACKAGED_FFMPEG)/ffmpeg" $$(find $(RECORDINGS) -path '*/v3/*' -name '*.replay.gz' -o -path '*/v4/*/*' -name '*.replay.json')

microbench: setup ## measure the speed of the inner loops
	go test -run '^$$' -bench . -benchmem ./...

bench-governor: setup-run build ## measure whether the agent leaves the processors to other programs, which start and stop; five minutes
	go run ./cmd/bench governor

GUACENC ?= guacenc
compare: setup-run setup-release build ## compare the program with guacenc and ffmpeg: the table in README.md; GUACENC=PATH RECORDINGS=FOLDER
	go run ./cmd/bench compare --guacenc $(GUACENC) --runs $(RUNS) --ffmpeg "$(PACKAGED_FFMPEG)/ffmpeg" $$(find $(RECORDINGS) -path '*/v3/*' -name '*.replay.gz')

bench-backlog: setup-run setup-release build ## convert three hundred short sessions that wait: tasks per minute, and the cost of each task
	go run ./cmd/bench backlog --ffmpeg "$(PACKAGED_FFMPEG)"

bench-scan: setup-run build ## measure the cost of monitoring a volume of 200,000 files; ten minutes
	go run ./cmd/bench scan

load: setup-run build ## upload fifty sessions at once, without and with waiting for the MP4s, and one session of 5 GB; LOAD=FOLDER of a day for another recording
	go run ./cmd/bench upload $(if $(LOAD),--recording $(LOAD))
	go run ./cmd/bench upload --wait
	go run ./cmd/bench upload --large 5000

test-faults: setup ## test the agent on a volume that returns errors, hangs or disappears
	go test -count=1 -run 'Fault|Hang|Vanish|VolumeFails' -v ./transcode ./watcher ./cmd/jumpserver-video

SOAK ?= -recordings 1000 -minutes 10 -seed 0
soak: setup $(VERSITYGW) ## run the agent for a simulated day, with faults and kills; SOAK='-recordings N -minutes N -seed N -dir FOLDER'
	go test -count=1 -timeout 3h -v ./cmd/jumpserver-video/soak $(SOAK)

test-fleet: setup ## run three agents and three NATS servers, and kill, disconnect and stop them for five minutes; FLEET='-recordings N -trouble N -seed N -dir FOLDER'
	go test -count=1 -timeout 2h -v ./cmd/jumpserver-video/fleet -recordings 300 -trouble 5m -lease 10s -seed 0 -run TestFleet $(FLEET)

test-kill: setup ## run a single agent that is killed a hundred times and loses its queue ten times
	go test -count=1 -timeout 1h -v ./cmd/jumpserver-video/fleet -run TestAlone -kills 100 -seed 0

test-steps: setup ## test two hundred random sequences of a task's steps, with crashes and other events between them
	go test -count=1 -timeout 1h ./transcode -run TestWhateverHappens -rapid.checks 200

reference: ## make the pictures of the reference player for the tests; needs Chromium, Node.js 18 and npm
	cd transcode/guac/reference && npm ci --no-audit --no-fund && node reference.mjs ../../../testdata

SEEDS ?= 1:300
RANDOM_DIR = .cache/random
.PHONY: reference-random
reference-random: ## compare the renderer with the reference player on random scripts; SEEDS=1:2000 for more, KEEP=1 to store them for the tests
	rm -rf $(RANDOM_DIR) && mkdir -p $(RANDOM_DIR)/different && go run ./transcode/guac/reference/random -seeds $(SEEDS) $(RANDOM_DIR)/scripts
	cd transcode/guac/reference && npm ci --no-audit --no-fund && node reference.mjs ../../../testdata --scripts $(CURDIR)/$(RANDOM_DIR)/scripts
	RANDOM_SCRIPTS=$(CURDIR)/$(RANDOM_DIR)/scripts GUAC_TEST_PNG=$(CURDIR)/$(RANDOM_DIR)/different go test -count=1 -run 'TestRandomScripts$$' ./transcode/guac
	$(if $(KEEP),go run ./transcode/guac/reference/random -pack testdata/reference/random.zip $(RANDOM_DIR)/scripts)

FUZZTIME ?= 10m
fuzz: setup ## run every fuzz target in turn, for FUZZTIME each
	@grep -rHo '^func Fuzz[A-Za-z]*' --include='*_test.go' --exclude-dir=.cache . | sed 's/:func /:/' | while IFS=: read -r file target; do \
		echo "$$target in $$file"; \
		go test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s -parallel 1 </dev/null || exit 1; \
	done

# Known vulnerabilities of what is linked in. Each run reads the database again;
# VULNDB is its address, or that of a copy (https:// or file://).
VULNDB ?= https://vuln.go.dev
GOVULNCHECK_VERSION = v1.9.0
GOVULNCHECK = .cache/bin/govulncheck-$(GOVULNCHECK_VERSION)
vulncheck: setup $(GOVULNCHECK) ## find known vulnerabilities that our code can reach; needs the network, or VULNDB=file:///a/copy
	@$(GOVULNCHECK) -db $(VULNDB) ./... || { code=$$?; \
		if [ $$code -eq 3 ]; then echo "vulncheck: vulnerabilities FOUND, see above"; \
		else echo "vulncheck: NOT CHECKED. The database at $(VULNDB) could not be read (see above). Name a copy of it with VULNDB."; fi; exit $$code; }

$(GOVULNCHECK):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(@D)/govulncheck $@

fmt: ## fail if gofmt would change a file
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

vet: setup
	go vet ./...

lint: setup fmt vet $(GOLANGCI) ## run gofmt, go vet and golangci-lint
	$(GOLANGCI) run --allow-parallel-runners ./...

$(GOLANGCI):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(@D)/golangci-lint $@

install: build ## install the program below $(DESTDIR)$(PREFIX), and the unit below $(DESTDIR)/etc
	install -D -m 0755 bin/jumpserver-video $(DESTDIR)$(PREFIX)/bin/jumpserver-video
	install -D -m 0644 jumpserver-video.service $(DESTDIR)/etc/systemd/system/jumpserver-video.service
	sed -i 's,/usr/bin/jumpserver-video,$(PREFIX)/bin/jumpserver-video,' $(DESTDIR)/etc/systemd/system/jumpserver-video.service

STAMP = VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' NFPM=$(NFPM)

package: setup-release $(NFPM) ## make dist/*.deb, dist/*.rpm and their bill of materials, for this processor
	$(STAMP) packaging/build

release: setup-release $(NFPM) ## make dist/: packages, .tar.gz and images for amd64 and arm64, sources, SHA256SUMS
	rm -rf dist
	$(STAMP) packaging/release

test-package: setup setup-release $(NFPM) ## check that two builds of the packages give the same bytes, and what the packages contain
	$(STAMP) packaging/test-package

test-image: setup setup-release $(NFPM) ## test the image in JumpServer's and in the stand-alone compose setup, with podman; as root
	$(STAMP) packaging/test-image

test-portable: setup setup-release $(NFPM) ## test the .tar.gz on Debian 12, Debian 11 and a system with only busybox, each in a folder; as root
	$(STAMP) packaging/test-portable

test-arm64: setup-release ## test the C code, and the Go code that it is compared with, for arm64 in an emulator
	packaging/test-arm64

test-deb: setup setup-release $(NFPM) ## install, run, upgrade, remove and purge the .deb on a clean Debian; as root
	$(STAMP) packaging/test-deb

test-service: setup setup-release $(NFPM) ## test the packaged service under a real systemd in a folder; as root
	$(STAMP) packaging/test-service

NFS_TESTS_SHORT ?=
.PHONY: test-nfs
test-nfs: build $(NFPM) ## test the packaged service on real NFS, between hosts that are processes; ten minutes; as root; NFS_TESTS_SHORT=1 skips the tests that take minutes
	@.ci/setup nfs
	VERSION=v1.0.0 COMMIT='$(COMMIT)' DATE='$(DATE)' NFPM=$(NFPM) OUT=.cache/nfs/dist packaging/build >/dev/null
	image=$$(packaging/nfs/make-image) && NFS_TESTS="$$image" NFS_TESTS_DEB="$$(ls $(CURDIR)/.cache/nfs/dist/*.deb)" \
		NFS_TESTS_SHORT='$(NFS_TESTS_SHORT)' go test -count=1 -v -timeout 1h ./cmd/jumpserver-video/nfs $(NFS)

check-unit: setup ## check that systemd accepts the unit, and that the unit restricts the service
	packaging/check-unit

notices: setup-release ## print the licences of what is linked in; fails for one that the project does not accept
	go run ./packaging/notices -static "$$(packaging/static/build $$(go env GOHOSTARCH))"

sbom: setup-release ## print the bill of materials of what is linked in or shipped with the program; CycloneDX JSON
	@go run ./packaging/notices -sbom -version '$(VERSION)' -static "$$(packaging/static/build $$(go env GOHOSTARCH))"

# `make release` builds the image without a container engine.
ENGINE ?= docker
image: ## build the container image from its Dockerfile; needs docker, or podman with ENGINE=podman
	$(ENGINE) build -f packaging/Dockerfile -t jumpserver-video:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) \
		$(if $(GOPROXY),--build-arg GOPROXY=$(GOPROXY)) $(if $(APT_MIRROR),--build-arg APT_MIRROR=$(APT_MIRROR)) .

$(NFPM):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	mv $(@D)/nfpm $@

clean:
	rm -rf bin dist .cache demo-out
