# Two commands matter to a newcomer: `make demo` and `make test`. Both do
# all set-up on a fresh Debian machine.

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

# Real storage servers for tests. VersityGW is a module of its own, so that
# its many dependencies are none of ours.
VERSITYGW_VERSION = v1.8.0
VERSITYGW = .cache/bin/versitygw
AZURITE_VERSION = 3.35.0
AZURITE = .cache/azurite/node_modules/.bin/azurite-blob

# The packager; later versions need modules that cannot be had everywhere.
NFPM_VERSION = v2.44.0
NFPM = .cache/bin/nfpm-$(NFPM_VERSION)

.PHONY: help package release test-package test-image test-portable test-arm64 test-deb test-service check-unit notices sbom image all setup build demo test purego storage-servers test-storage race bench microbench bench-governor compare bench-backlog bench-scan load soak test-faults test-fleet test-kill test-steps reference fuzz lint vulncheck fmt vet install clean

all: build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what tests need, and is missing: ffmpeg, fuse, Chromium, podman, a Go toolchain
	@.ci/setup test

# What `make build`, `make demo` and packages need is less.
.PHONY: setup-build setup-run setup-release
setup-build setup-run setup-release: setup-%:
	@.ci/setup $*

build: setup-build ## bin/jumpserver-video
	CGO_ENABLED=$(or $(CGO_ENABLED),$(shell go env CGO_ENABLED)) go build -ldflags '$(LDFLAGS)' -o bin/jumpserver-video ./cmd/jumpserver-video

demo: setup-run build ## the whole product on bundled recordings
	bin/jumpserver-video demo

test: setup ## the whole test suite
	.ci/go-test ./...

# Left out: what needs a browser, npm or other servers, runs whole agents, or takes long.
CHECK_SKIPS = /cmd/bench|/cmd/jumpserver-video|/statuspage|/agenttest|/notices|/storage|/watcher/bucket|/volumetest|/transcode/queue|/transcode/render|jumpserver-video/transcode$$
.PHONY: check
check: setup-run ## what to run while you work: format, vet, and the tests that are quick
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt would change: $$files"; exit 1; }
	go vet ./...
	go test -short $$(go list ./... | grep -vE '$(CHECK_SKIPS)')
	go test -short -run 'OneVoice|LinksOf|CommandsOf|Scripts|HelpIs|ManualPages|ArchitectureNames|InStep' ./cmd/jumpserver-video

.PHONY: ports
ports: setup-build ## the program without C, for other processors: it compiles
	CGO_ENABLED=0 GOARCH=loong64 go build -tags nodemo -o /dev/null ./cmd/jumpserver-video

# Only what has a variant without C, and what shows that the variants do the same.
PUREGO = ./transcode/guac ./transcode/video ./transcode/render ./watcher/recording/gunzip
purego: setup ## the renderer and encoder without C
	CGO_ENABLED=0 go vet $(PUREGO)
	CGO_ENABLED=0 .ci/go-test -short -run 'Reference|Bundled|WebP|PNG|Pixel|Formats|Conversion|Smaller|Timestamps|TheLastFrame|SameAs|SmallReads' $(PUREGO)

storage-servers: $(VERSITYGW) $(AZURITE)

test-storage: setup storage-servers ## replay storages against real servers
	STORAGE_TESTS=all .ci/go-test ./coreapi/storage/... ./watcher/bucket/...
	STORAGE_TESTS=all .ci/go-test -run Bucket ./transcode ./cmd/jumpserver-video

$(VERSITYGW):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)

$(AZURITE):
	@mkdir -p .cache/azurite
	npm install --silent --no-audit --no-fund --prefix .cache/azurite azurite@$(AZURITE_VERSION)

# Finds what keeps people from using a page; the status page's tests run it.
AXE_VERSION = 4.14.1
.cache/axe:
	npm install --silent --no-audit --no-fund --prefix $@ axe-core@$(AXE_VERSION) || { rm -rf $@; exit 1; }

# Prometheus's checker of rules, out of Debian's package and without its service.
.cache/bin/promtool:
	@mkdir -p $(@D) && rm -rf .cache/prometheus && mkdir -p .cache/prometheus && chmod 0777 .cache/prometheus
	cd .cache/prometheus && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .
	mv .cache/prometheus/usr/bin/promtool $@ && rm -rf .cache/prometheus

.PHONY: test-players
test-players: ## MP4s in players and decoders other than ffmpeg's
	@.ci/setup players
	PLAYERS_TESTS=all go test -count=1 -v -run 'AnotherDecoder|MPV|Chromium' ./transcode/render

.PHONY: test-hostile
test-hostile: setup ## recordings that ask for too much, each through the program itself: memory and time
	HOSTILE_TESTS=all go test -count=1 -v -timeout 30m -run TestHostile ./cmd/jumpserver-video

# Packages that share state between goroutines, but for what only runs more processes
# or draws for minutes; and of whole agents and drawing, the tests in which most
# happens at once.
RACE = $$(go list -f '{{.ImportPath}} {{join .Imports " "}}' ./... | grep -E ' (sync|golang.org/x/sync)[ /]' | cut -d ' ' -f 1 | \
	grep -v -e /cmd/bench/ -e /cmd/jumpserver-video$$ -e jumpserver-video/transcode$$ -e /transcode/guac -e /transcode/render$$)
race: setup ## the race detector over what goroutines share
	.ci/go-test -race -short -skip 'TenThousand|LittleMemory|KilledAtEvery|Bounded' $(RACE)
	.ci/go-test -race -short -run 'WhateverHappens|Workers|Stop|Hanging|Vanishes|InMidTask|OneCircuit|WhileOneIs|AtOnce|HoldsNoOther|ObjectsThatChange|WaitForTheUpload|ManySessions|Operator|RazorHandsOver|RunTime|Recordings|Play|Pieces|Covered|Codecs|Sound' \
		./transcode ./cmd/jumpserver-video ./transcode/guac ./transcode/render

# The ffmpeg of the packages, which is built for two minutes the first time.
PACKAGED_FFMPEG = $$(packaging/static/build $$(dpkg --print-architecture))/ship

bench: setup-run setup-release build ## speed, memory, size and quality of conversions; RECORDINGS=folder for others
	go run ./cmd/bench convert --runs $(RUNS) --ffmpeg "$(PACKAGED_FFMPEG)/ffmpeg" $$(find $(RECORDINGS) -path '*/v3/*' -name '*.replay.gz' -o -path '*/v4/*/*' -name '*.replay.json')

microbench: setup ## speed of the inner loops
	go test -run '^$$' -bench . -benchmem ./...

bench-governor: setup-run build ## five minutes of competitors coming and going beside the agent
	go run ./cmd/bench governor

GUACENC ?= guacenc
compare: setup-run setup-release build ## the table of README: guacenc and ffmpeg beside ours; GUACENC=path RECORDINGS=folder
	go run ./cmd/bench compare --guacenc $(GUACENC) --runs $(RUNS) --ffmpeg "$(PACKAGED_FFMPEG)/ffmpeg" $$(find $(RECORDINGS) -path '*/v3/*' -name '*.replay.gz')

bench-backlog: setup-run setup-release build ## three hundred short sessions that wait: tasks a minute, and what each costs
	go run ./cmd/bench backlog --ffmpeg "$(PACKAGED_FFMPEG)"

bench-scan: setup-run build ## what looking after 200,000 files costs; ten minutes
	go run ./cmd/bench scan

load: setup-run build ## fifty sessions that close at once, also until all are MP4s, and one upload of 5 GB; LOAD=folder of a day for another recording
	go run ./cmd/bench upload $(if $(LOAD),--recording $(LOAD))
	go run ./cmd/bench upload --wait
	go run ./cmd/bench upload --large 5000

test-faults: setup ## the agent on a volume that fails in every way
	go test -count=1 -run 'Fault|Hang|Vanish|VolumeFails' -v ./transcode ./watcher ./cmd/jumpserver-video

SOAK ?= -recordings 1000 -minutes 10 -seed 0
soak: setup $(VERSITYGW) ## the agent through a day with faults and kills: SOAK='-recordings N -minutes N -seed N -dir FOLDER'
	go test -count=1 -timeout 3h -v ./cmd/jumpserver-video/soak $(SOAK)

test-fleet: setup ## three agents and three NATS servers, killed, cut off and stopped for five minutes: FLEET='-recordings N -trouble N -seed N -dir FOLDER'
	go test -count=1 -timeout 2h -v ./cmd/jumpserver-video/fleet -recordings 300 -trouble 5m -lease 10s -seed 0 -run TestFleet $(FLEET)

test-kill: setup ## an agent on its own that is killed a hundred times, and loses its queue ten times
	go test -count=1 -timeout 1h -v ./cmd/jumpserver-video/fleet -run TestAlone -kills 100 -seed 0

test-steps: setup ## a task's steps with crashes at any of them and anything in between, two hundred times
	go test -count=1 -timeout 1h ./transcode -run TestWhateverHappens -rapid.checks 200

reference: ## pictures of the reference player for the tests; needs Chromium, Node.js 18 and npm
	cd transcode/guac/reference && npm ci --no-audit --no-fund && node reference.mjs ../../../testdata

SEEDS ?= 1:300
RANDOM_DIR = .cache/random
.PHONY: reference-random
reference-random: ## random scripts in the reference player and in the renderer: SEEDS=1:2000 for more, KEEP=1 to keep them as the tests' own
	rm -rf $(RANDOM_DIR) && mkdir -p $(RANDOM_DIR)/different && go run ./transcode/guac/reference/random -seeds $(SEEDS) $(RANDOM_DIR)/scripts
	cd transcode/guac/reference && npm ci --no-audit --no-fund && node reference.mjs ../../../testdata --scripts $(CURDIR)/$(RANDOM_DIR)/scripts
	RANDOM_SCRIPTS=$(CURDIR)/$(RANDOM_DIR)/scripts GUAC_TEST_PNG=$(CURDIR)/$(RANDOM_DIR)/different go test -count=1 -run 'TestRandomScripts$$' ./transcode/guac
	$(if $(KEEP),go run ./transcode/guac/reference/random -pack testdata/reference/random.zip $(RANDOM_DIR)/scripts)

FUZZTIME ?= 10m
fuzz: setup ## every fuzz target in turn, for FUZZTIME each
	@grep -rHo '^func Fuzz[A-Za-z]*' --include='*_test.go' --exclude-dir=.cache . | sed 's/:func /:/' | while IFS=: read -r file target; do \
		echo "$$target in $$file"; \
		go test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s -parallel 1 </dev/null || exit 1; \
	done

# Known vulnerabilities in what is linked in. The database is asked for each
# time; VULNDB names a copy of it (https:// or file://).
VULNDB ?= https://vuln.go.dev
GOVULNCHECK_VERSION = v1.9.0
GOVULNCHECK = .cache/bin/govulncheck-$(GOVULNCHECK_VERSION)
vulncheck: setup $(GOVULNCHECK) ## known vulnerabilities that our code can reach; needs the network, or VULNDB=file:///a/copy
	@$(GOVULNCHECK) -db $(VULNDB) ./... || { code=$$?; \
		if [ $$code -eq 3 ]; then echo "vulncheck: FOUND, see above"; \
		else echo "vulncheck: NOT CHECKED. The database at $(VULNDB) could not be read (see above); nothing is known about vulnerabilities."; fi; exit $$code; }

$(GOVULNCHECK):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(@D)/govulncheck $@

fmt: ## fail if gofmt would change a file
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

vet: setup
	go vet ./...

lint: setup fmt vet $(GOLANGCI) ## gofmt, go vet and golangci-lint
	$(GOLANGCI) run --allow-parallel-runners ./...

$(GOLANGCI):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(@D)/golangci-lint $@

install: build ## binary and unit below $(DESTDIR)$(PREFIX)
	install -D -m 0755 bin/jumpserver-video $(DESTDIR)$(PREFIX)/bin/jumpserver-video
	install -D -m 0644 jumpserver-video.service $(DESTDIR)/etc/systemd/system/jumpserver-video.service
	sed -i 's,/usr/bin/jumpserver-video,$(PREFIX)/bin/jumpserver-video,' $(DESTDIR)/etc/systemd/system/jumpserver-video.service

STAMP = VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' NFPM=$(NFPM)

package: setup-release $(NFPM) ## dist/*.deb, dist/*.rpm and their bill of materials, for this processor
	$(STAMP) packaging/build

release: setup-release $(NFPM) ## dist/: packages, .tar.gz and images for amd64 and arm64, sources, SHA256SUMS
	rm -rf dist
	$(STAMP) packaging/release

test-package: setup setup-release $(NFPM) ## packages are the same bytes whenever they are made, and hold what they should
	$(STAMP) packaging/test-package

test-image: setup setup-release $(NFPM) ## the image in JumpServer's and the stand-alone compose set-up, with podman; as root
	$(STAMP) packaging/test-image

test-portable: setup setup-release $(NFPM) ## the .tar.gz on old and small systems, in folders; as root
	$(STAMP) packaging/test-portable

test-arm64: setup-release ## what is written in C, and what it is compared with, built for arm64 and emulated
	packaging/test-arm64

test-deb: setup setup-release $(NFPM) ## install, run, upgrade, remove and purge the .deb on a clean Debian; as root
	$(STAMP) packaging/test-deb

test-service: setup setup-release $(NFPM) ## the packaged service under a real systemd in a folder; as root
	$(STAMP) packaging/test-service

NFS_TESTS_SHORT ?=
.PHONY: test-nfs
test-nfs: build $(NFPM) ## the packaged service on real NFS, with kernels that run as processes; ten minutes; as root. NFS_TESTS_SHORT=1 for half of it
	@.ci/setup nfs
	VERSION=v1.0.0 COMMIT='$(COMMIT)' DATE='$(DATE)' NFPM=$(NFPM) OUT=.cache/nfs/dist packaging/build >/dev/null
	image=$$(packaging/nfs/make-image) && NFS_TESTS="$$image" NFS_TESTS_DEB="$$(ls $(CURDIR)/.cache/nfs/dist/*.deb)" \
		NFS_TESTS_SHORT='$(NFS_TESTS_SHORT)' go test -count=1 -v -timeout 1h ./cmd/jumpserver-video/nfs $(NFS)

check-unit: setup ## the unit is understood by systemd, and lets the service do little
	packaging/check-unit

notices: setup-release ## licences of what is linked in; fails for one that the project does not take
	go run ./packaging/notices -static "$$(packaging/static/build $$(go env GOHOSTARCH))"

sbom: setup-release ## bill of materials of what is linked in and shipped beside; CycloneDX JSON
	@go run ./packaging/notices -sbom -version '$(VERSION)' -static "$$(packaging/static/build $$(go env GOHOSTARCH))"

# The release's image needs none: `make release`.
ENGINE ?= docker
image: ## the container image by its Dockerfile; needs a container engine (ENGINE=podman)
	$(ENGINE) build -f packaging/Dockerfile -t jumpserver-video:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) \
		$(if $(GOPROXY),--build-arg GOPROXY=$(GOPROXY)) $(if $(APT_MIRROR),--build-arg APT_MIRROR=$(APT_MIRROR)) .

$(NFPM):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/$(@D) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	mv $(@D)/nfpm $@

clean:
	rm -rf bin dist .cache demo-out
