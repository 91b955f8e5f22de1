/*
 * reelmill_plugin.h: the C ABI of Reelmill stage plugins, version 1.0.
 *
 * A plugin is a shared library named libreelmill_plugin_NAME.so that exports one function, stage_plugin_v1().
 * The host loads it in a sandboxed process of its own, asks it to describe itself, opens a stage and runs
 * attempts on it. All data that crosses is JSON in UTF-8, without a terminating zero.
 *
 * Rules that hold everywhere
 *   Memory    Nothing is freed across the boundary. A stage_bytes is borrowed: it is valid until the function
 *             that received it returns; whoever wants it longer copies it.
 *   Unwinding No exception and no panic may cross the boundary in either direction. Catch them and call fail().
 *   Threads   Each function says who may call it. "Call thread" is the thread on which the host called run()
 *             (or open()) for that stage_call.
 *   Growth    Structures only grow at their end, and tables are never copied by value. Before reading a field
 *             that was added after version 1.0, compare `size` with the field's end. `major` differs: refuse.
 *   stdout    Standard output and standard error become log lines; they never carry results.
 */
#ifndef REELMILL_PLUGIN_H
#define REELMILL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Stands first in stage_plugin; the bytes spell "REELMILL" when read from the most significant end. */
#define STAGE_MAGIC UINT64_C(0x5245454C4D494C4C)
#define STAGE_ABI_MAJOR 1
#define STAGE_ABI_MINOR 0

/* Results of open() and run(). Any other value is treated as STAGE_FAILED. */
#define STAGE_OK 0
#define STAGE_FAILED 1

/* Severity of a log line. */
#define STAGE_LOG_DEBUG 0
#define STAGE_LOG_INFO 1
#define STAGE_LOG_WARN 2
#define STAGE_LOG_ERROR 3

/* Borrowed bytes. ptr may be NULL only when len is 0. */
typedef struct stage_bytes {
  const uint8_t *ptr;
  size_t len;
} stage_bytes;

typedef int32_t stage_rc;

/* One call of open() or run(), owned by the host, valid until that function returns. Opaque. */
typedef struct stage_call stage_call;

/* One opened stage, owned by the plugin, from open() to close(). Opaque to the host. */
typedef struct stage_instance stage_instance;

/*
 * What the host offers. Valid for the life of the process from init() on.
 * extension, log, cancelled and progress may be called from any thread while the call is in progress.
 */
typedef struct stage_host {
  uint32_t size; /* sizeof(stage_host) as the host knows it */
  uint16_t major;
  uint16_t minor;

  /* A table of further functions by its id (a C string such as "stage.metric/1"), or NULL when this host has
   * none of that name. Any thread. */
  const void *(*extension)(const char *id);

  /* Writes one line to the attempt's log. call may be NULL outside a call. Any thread. */
  void (*log)(const stage_call *call, int32_t severity, stage_bytes text);

  /* Not 0 once the attempt should stop. A stage asks often (ten times a second is plenty), cleans up and
   * returns STAGE_FAILED after fail() with class "cancelled". One that does not is killed after a grace
   * period. Costs nanoseconds. Any thread. */
  int32_t (*cancelled)(const stage_call *call);

  /* How far the attempt is: {"done": 3, "total": 10, "unit": "frames", "phase": "encode", "message": "..."};
   * only "done" is required. Send at most ten a second. Any thread. */
  void (*progress)(const stage_call *call, stage_bytes json);

  /* The outputs, a JSON object that the stage's output schema accepts. A file is put out as
   * {"$file": "name/in/scratch.mp4", "media_type": "video/mp4"}. Exactly once before run() returns STAGE_OK.
   * The host copies. Any thread. */
  void (*reply)(const stage_call *call, stage_bytes json);

  /* Why it failed: {"class": "...", "message": "one sentence", "code": "short_word", "retry_after_ms": 1000,
   * "detail": {...}, "causes": ["..."]}; class and message are required. Classes: transient, dependency,
   * resource (tried again); invalid_input, invalid_config, permanent, cancelled (not); internal (a bug).
   * Exactly once before open() or run() returns STAGE_FAILED. The host copies. Any thread. */
  void (*fail)(const stage_call *call, stage_bytes json);
} stage_host;

/*
 * What the plugin offers. A static table: the host keeps the pointer for the life of the process.
 * The host never calls two of these functions at once for one instance. It may call run() of different
 * instances on different threads at the same time only where the manifest says "inline": true.
 */
typedef struct stage_plugin {
  uint64_t magic; /* STAGE_MAGIC */
  uint32_t size;  /* sizeof(stage_plugin) as the plugin knows it */
  uint16_t major; /* STAGE_ABI_MAJOR */
  uint16_t minor; /* STAGE_ABI_MINOR */

  /* Calls sink(cx, manifest) once with the manifest. May be called before init(). Must not start threads. */
  void (*describe)(void *cx, void (*sink)(void *cx, stage_bytes manifest));

  /* Called once, before everything but describe(). The plugin keeps the pointer. */
  stage_rc (*init)(const stage_host *host);

  /* Makes an instance of a stage (by the id in the manifest). config is an object, {} for now. On STAGE_OK,
   * *out is the instance; on STAGE_FAILED, fail() was called and *out is left alone. */
  stage_rc (*open)(const stage_call *call, stage_bytes stage, stage_bytes config, stage_instance **out);

  /* Runs one attempt and blocks until it is done. input is
   * {"with": {...}, "call": {"scratch": "/absolute/folder", "run": "...", "task": "...", "attempt": 1,
   *  "idempotency_token": "...", "seed": 123}}. An artifact inside "with" has a "path" to read.
   * The stage may write below call.scratch only. */
  stage_rc (*run)(stage_instance *instance, const stage_call *call, stage_bytes input);

  /* Ends an instance. Not called when the process is killed. */
  void (*close)(stage_instance *instance);

  /* A table of further functions of the plugin by its id, or NULL. */
  const void *(*extension)(const char *id);
} stage_plugin;

/* The one exported symbol. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const stage_plugin *stage_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif /* REELMILL_PLUGIN_H */
