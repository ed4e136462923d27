# The commands of every day. `make render` before a commit, `make test` before a push; both bring what they need.
CARGO ?= cargo
CONFWRIGHT = target/release/confwright
export CONFWRIGHT := $(abspath $(CONFWRIGHT))

.PHONY: render check diff test lint unit e2e bench packages build

render: build ## compile the project's own mail cluster and write golden/
	$(CONFWRIGHT) render

check: build ## the gate: golden is what the sources give, and every compile gives the same
	$(CONFWRIGHT) check --deterministic

diff: build ## what a render would change
	$(CONFWRIGHT) diff

test: lint unit check e2e ## everything, the fast tests first

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --locked

unit:
	$(CARGO) test --locked

# With the C library in it, where there is one to link, and at a fixed address: a dynamic linker and ten thousand
# relocations would take a quarter of a small render. What `cargo build --release` makes does the same, and starts later.
LINKED = $(if $(filter /%,$(shell cc -print-file-name=libc.a)),-C target-feature=+crt-static -C relocation-model=static)
build:
	$(CARGO) rustc --release --locked --bin confwright -- $(LINKED)

packages: ## install what the end-to-end tests run, from Debian
	scripts/install-test-packages

# Where packages may not be installed, the tests that need them say so and are skipped (exit status 77); never in CI.
e2e: build
	scripts/or-skip scripts/install-test-packages
	scripts/or-skip tests/e2e/pre-commit
	scripts/or-skip tests/e2e/stock
	scripts/or-skip tests/e2e/native
	scripts/or-skip tests/e2e/formats
	scripts/or-skip tests/e2e/formats --self-test
	scripts/or-skip tests/e2e/tools
	scripts/or-skip tests/e2e/tools --self-test
	scripts/or-skip tests/e2e/zones
	scripts/or-skip tests/e2e/zones --self-test
	scripts/or-skip tests/e2e/nginx
	scripts/or-skip tests/e2e/nginx --self-test
	scripts/or-skip tests/e2e/postfix
	scripts/or-skip tests/e2e/postfix --self-test

bench: build ## compare with the peers that are installed
	benches/run
