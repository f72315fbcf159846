//go:build unix

// Package sqlitetest is a disk for tests: one that loses power, is full, fails, or lies about what it has kept, below
// every database that this process opens in a folder. It sits between SQLite and its own access to files, so what is tested
// above it is the product as it is.
//
// Not on the way through it: the -shm file, which SQLite maps into memory and rebuilds after a crash, and what others than
// SQLite do to the files.
package sqlitetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Disk is a folder whose files obey. It is safe for concurrent use. Nothing below it waits for the real disk.
type Disk struct {
	folder string

	mu     sync.Mutex
	space  int64 // bytes; negative: no limit
	broken bool
	lies   bool
	trace  *trace
}

// New makes a folder a Disk, for the databases that are opened there from now on and until the test ends.
func New(t testing.TB, folder string) *Disk {
	t.Helper()
	install()
	folder, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	d := &Disk{folder: folder, space: -1}
	layer.mu.Lock()
	defer layer.mu.Unlock()
	layer.disks[folder] = d
	t.Cleanup(func() {
		layer.mu.Lock()
		defer layer.mu.Unlock()
		delete(layer.disks, folder)
	})
	return d
}

// Folder is its folder.
func (d *Disk) Folder() string { return d.folder }

// Fill leaves no more space than that many bytes beyond what the files take now. Free ends it.
func (d *Disk) Fill(left int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space = d.used() + left
}

// Free ends Fill.
func (d *Disk) Free() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space = -1
}

// Break lets every write and every sync fail, as a disk that is pulled; false ends it. What was written before a sync that
// failed is partly lost: later syncs do not save it (Linux since 4.13: https://lwn.net/Articles/752063/).
func (d *Disk) Break(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// Lie lets syncs do nothing and say that all is well: a test that finds no loss then can find none.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = true
}

// used is how much the files take.
func (d *Disk) used() (bytes int64) {
	_ = filepath.WalkDir(d.folder, func(_ string, e os.DirEntry, err error) error {
		if err != nil {
			return nil // it went meanwhile
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// file is an open file of a Disk.
type file struct {
	disk *Disk
	node *node
	path string
	own  *sqlite3.Tsqlite3_io_methods // SQLite's
}

// layer is what is between SQLite and the files.
var layer = struct {
	once    sync.Once
	own     *sqlite3.Tsqlite3_vfs
	methods map[*sqlite3.Tsqlite3_io_methods]*sqlite3.Tsqlite3_io_methods // SQLite's to ours

	mu    sync.Mutex
	disks map[string]*Disk
	files map[uintptr]*file
}{
	disks:   map[string]*Disk{},
	files:   map[uintptr]*file{},
	methods: map[*sqlite3.Tsqlite3_io_methods]*sqlite3.Tsqlite3_io_methods{},
}

// The shapes of SQLite's functions, see https://www.sqlite.org/c3ref/vfs.html and io_methods.html.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncFolder int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	writeFunc    = func(tls *libc.TLS, file, from uintptr, n int32, offset int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	shmMapFunc   = func(tls *libc.TLS, file uintptr, region, size, extend int32, at uintptr) int32
)

// at is the T at an address of SQLite's memory.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// function and pointer turn what the translated C holds as a function pointer into a function, and back. Functions given
// to it are those of the package, which stay where they are.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }
func pointer[F any](f F) uintptr  { return *(*uintptr)(unsafe.Pointer(&f)) }

// keep copies a value into SQLite's memory, where it stays.
func keep[T any](tls *libc.TLS, value T) *T {
	p := at[T](libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(value))))
	*p = value
	return p
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// install puts the layer in front of SQLite's own access to files, once. Files outside of a Disk go straight through.
func install() {
	layer.once.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		layer.own = at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
		name, err := libc.CString("sqlitetest")
		if err != nil {
			panic(err)
		}
		vfs := keep(tls, *layer.own)
		vfs.FzName, vfs.FpNext = name, 0
		vfs.FxOpen, vfs.FxDelete = pointer[openFunc](open), pointer[deleteFunc](remove)
		if rc := sqlite3.Xsqlite3_vfs_register(tls, address(vfs), 1); rc != sqlite3.SQLITE_OK {
			panic(fmt.Sprintf("sqlite3_vfs_register: %d", rc))
		}
	})
}

// diskOf is the Disk that a file is on, or nil.
func diskOf(path string) *Disk {
	layer.mu.Lock()
	defer layer.mu.Unlock()
	for folder, d := range layer.disks {
		if strings.HasPrefix(path, folder+string(filepath.Separator)) {
			return d
		}
	}
	return nil
}

func fileAt(p uintptr) *file {
	layer.mu.Lock()
	defer layer.mu.Unlock()
	return layer.files[p]
}

func open(tls *libc.TLS, _, name, p uintptr, flags int32, outFlags uintptr) int32 {
	own := address(layer.own)
	pass := function[openFunc](layer.own.FxOpen)
	if name == 0 {
		return pass(tls, own, name, p, flags, outFlags)
	}
	path := libc.GoString(name)
	d := diskOf(path)
	if d == nil {
		return pass(tls, own, name, p, flags, outFlags)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := os.Lstat(path)
	if rc := pass(tls, own, name, p, flags, outFlags); rc != sqlite3.SQLITE_OK {
		return rc
	}
	f := &file{disk: d, path: path}
	if d.trace != nil {
		f.node = d.trace.open(path, err != nil)
	}
	opened := at[sqlite3.Tsqlite3_file](p)
	f.own = at[sqlite3.Tsqlite3_io_methods](opened.FpMethods)
	layer.mu.Lock()
	defer layer.mu.Unlock()
	ours := layer.methods[f.own]
	if ours == nil {
		ours = keep(tls, *f.own)
		ours.FxClose, ours.FxWrite, ours.FxTruncate = pointer[closeFunc](closeFile), pointer[writeFunc](write), pointer[truncateFunc](truncate)
		ours.FxSync, ours.FxShmMap = pointer[syncFunc](syncFile), pointer[shmMapFunc](shmMap)
		layer.methods[f.own] = ours
	}
	layer.files[p] = f
	opened.FpMethods = address(ours)
	return sqlite3.SQLITE_OK
}

func closeFile(tls *libc.TLS, p uintptr) int32 {
	f := fileAt(p)
	layer.mu.Lock()
	delete(layer.files, p)
	layer.mu.Unlock()
	return function[closeFunc](f.own.FxClose)(tls, p)
}

func remove(tls *libc.TLS, _, name uintptr, syncFolder int32) int32 {
	path := libc.GoString(name)
	d := diskOf(path)
	pass := func() int32 {
		return function[deleteFunc](layer.own.FxDelete)(tls, address(layer.own), name, syncFolder)
	}
	if d == nil {
		return pass()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return sqlite3.SQLITE_IOERR_DELETE
	}
	rc := pass()
	if rc == sqlite3.SQLITE_OK && d.trace != nil {
		d.trace.remove(path, syncFolder != 0 && !d.lies)
	}
	return rc
}

func write(tls *libc.TLS, p, from uintptr, n int32, offset int64) int32 {
	f := fileAt(p)
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return sqlite3.SQLITE_IOERR_WRITE
	}
	rc := int32(sqlite3.SQLITE_OK)
	if d.space >= 0 {
		var info unix.Stat_t
		if err := unix.Fstat(int(at[sqlite3.TunixFile](p).Fh), &info); err != nil {
			return sqlite3.SQLITE_IOERR_FSTAT
		}
		// What fits is written, as by a real disk.
		if over := max(0, offset+int64(n)-info.Size) - max(0, d.space-d.used()); over > 0 {
			n, rc = max(0, n-int32(over)), sqlite3.SQLITE_FULL
		}
	}
	if n > 0 {
		if rc := function[writeFunc](f.own.FxWrite)(tls, p, from, n, offset); rc != sqlite3.SQLITE_OK {
			return rc
		}
		if f.node != nil {
			d.trace.write(f.node, offset, unsafe.Slice(at[byte](from), n))
		}
	}
	return rc
}

func truncate(tls *libc.TLS, p uintptr, size int64) int32 {
	f := fileAt(p)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.broken {
		return sqlite3.SQLITE_IOERR_TRUNCATE
	}
	rc := function[truncateFunc](f.own.FxTruncate)(tls, p, size)
	if rc == sqlite3.SQLITE_OK && f.node != nil {
		f.disk.trace.truncate(f.node, size)
	}
	return rc
}

// A file with UNIXFILE_DIRSYNC is new: its next sync also syncs its folder.

func syncFile(_ *libc.TLS, p uintptr, _ int32) int32 {
	f := fileAt(p)
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		if f.node != nil {
			d.trace.syncFailed(f.node)
		}
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	own := at[sqlite3.TunixFile](p)
	folder := own.FctrlFlags&sqlite3.UNIXFILE_DIRSYNC != 0
	own.FctrlFlags &^= sqlite3.UNIXFILE_DIRSYNC
	if f.node != nil && !d.lies {
		d.trace.sync(f.node, folder)
	}
	return sqlite3.SQLITE_OK
}

func shmMap(tls *libc.TLS, p uintptr, region, size, extend int32, into uintptr) int32 {
	f := fileAt(p)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if extend != 0 && f.disk.space >= 0 && f.disk.used()+int64(size) > f.disk.space {
		info, err := os.Stat(f.path + "-shm")
		if err != nil || info.Size() < int64(region+1)*int64(size) {
			return sqlite3.SQLITE_IOERR_SHMSIZE
		}
	}
	return function[shmMapFunc](f.own.FxShmMap)(tls, p, region, size, extend, into)
}
