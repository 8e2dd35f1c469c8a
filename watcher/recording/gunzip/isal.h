// The functions of ISA-L that this package calls. With STATIC they are linked; otherwise
// load takes them from the shared library at run time. load reports whether they are
// available, and must be called before them.
#include <isa-l/igzip_lib.h>

#ifdef STATIC

#define inflate_init isal_inflate_init
#define inflate isal_inflate
static int load(void) { return 1; }

#else

#include <dlfcn.h>

static void (*inflate_init)(struct inflate_state *);
static int (*inflate)(struct inflate_state *);

static int load(void) {
	void *lib = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) return 0;
	inflate_init = (void (*)(struct inflate_state *))dlsym(lib, "isal_inflate_init");
	inflate = (int (*)(struct inflate_state *))dlsym(lib, "isal_inflate");
	return inflate_init != NULL && inflate != NULL;
}

#endif
