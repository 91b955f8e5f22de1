/*
 * A plugin as a third party would write it: C, the header, and nothing else of Reelmill.
 * `loud.shout@1` puts its text out in capitals, as a value and as a file; `loud.whisper@1` refuses to.
 */
#include "reelmill_plugin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096

static const char MANIFEST[] =
    "{\"name\": \"loud\", \"version\": \"1.2.3\", \"license\": \"MIT\", \"kind\": \"native\","
    " \"description\": \"Says it louder\", \"stages\": ["
    "{\"id\": \"shout\", \"version\": \"1.0.0\", \"summary\": \"Puts text out in capitals\","
    " \"input\": {\"type\": \"object\", \"required\": [\"text\"], \"additionalProperties\": false,"
    "  \"properties\": {\"text\": {\"type\": \"string\"}}},"
    " \"output\": {\"type\": \"object\", \"required\": [\"text\", \"file\"],"
    "  \"properties\": {\"text\": {\"type\": \"string\"}, \"file\": {\"type\": \"object\", \"x-artifact\": true}}}},"
    "{\"id\": \"whisper\", \"version\": \"1.0.0\", \"summary\": \"Refuses\","
    " \"input\": {\"type\": \"object\"}, \"output\": {\"type\": \"object\"}}]}";

struct stage_instance {
  int whispers;
};

static const stage_host *host;

static stage_bytes bytes(const char *text) {
  stage_bytes borrowed = {(const uint8_t *)text, strlen(text)};
  return borrowed;
}

/* Copies the string behind "key": of a JSON text whose strings have no escapes. Enough for this plugin. */
static int find(stage_bytes json, const char *key, char *out, size_t room) {
  char quoted[64];
  size_t length, at, used = 0;
  snprintf(quoted, sizeof quoted, "\"%s\"", key);
  length = strlen(quoted);
  for (at = 0; at + length < json.len; at++) {
    if (memcmp(json.ptr + at, quoted, length) != 0) continue;
    at += length;
    while (at < json.len && (json.ptr[at] == ':' || json.ptr[at] == ' ')) at++;
    if (at >= json.len || json.ptr[at] != '"') return 0;
    for (at++; at < json.len && json.ptr[at] != '"' && used + 1 < room; at++) out[used++] = (char)json.ptr[at];
    out[used] = 0;
    return 1;
  }
  return 0;
}

static void describe(void *cx, void (*sink)(void *cx, stage_bytes manifest)) { sink(cx, bytes(MANIFEST)); }

static stage_rc init(const stage_host *given) {
  host = given;
  return STAGE_OK;
}

static stage_rc open_stage(const stage_call *call, stage_bytes stage, stage_bytes config, stage_instance **out) {
  stage_instance *made = malloc(sizeof *made);
  (void)config;
  if (made == NULL) {
    host->fail(call, bytes("{\"class\": \"resource\", \"message\": \"no memory\"}"));
    return STAGE_FAILED;
  }
  made->whispers = stage.len == 7 && memcmp(stage.ptr, "whisper", 7) == 0;
  *out = made;
  return STAGE_OK;
}

static stage_rc run(stage_instance *instance, const stage_call *call, stage_bytes input) {
  char text[TEXT_MAX], scratch[TEXT_MAX], path[TEXT_MAX + 16], reply[2 * TEXT_MAX];
  FILE *file;
  size_t at;
  if (instance->whispers) {
    host->fail(call, bytes("{\"class\": \"permanent\", \"code\": \"too_loud\", \"message\": \"it cannot whisper\"}"));
    return STAGE_FAILED;
  }
  if (!find(input, "text", text, sizeof text) || !find(input, "scratch", scratch, sizeof scratch)) {
    host->fail(call, bytes("{\"class\": \"invalid_input\", \"message\": \"there is no text\"}"));
    return STAGE_FAILED;
  }
  host->log(call, STAGE_LOG_WARN, bytes("cover your ears"));
  host->progress(call, bytes("{\"done\": 1, \"total\": 1, \"unit\": \"shouts\"}"));
  for (at = 0; text[at] != 0; at++) text[at] = (char)toupper((unsigned char)text[at]);
  snprintf(path, sizeof path, "%s/loud.txt", scratch);
  file = fopen(path, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    host->fail(call, bytes("{\"class\": \"resource\", \"message\": \"loud.txt cannot be written\"}"));
    return STAGE_FAILED;
  }
  snprintf(reply, sizeof reply, "{\"text\": \"%s\", \"file\": {\"$file\": \"loud.txt\", \"media_type\": \"text/plain\"}}", text);
  host->reply(call, bytes(reply));
  return STAGE_OK;
}

static void close_stage(stage_instance *instance) { free(instance); }

static const void *extension(const char *id) {
  (void)id;
  return NULL;
}

static const stage_plugin PLUGIN = {
    STAGE_MAGIC, sizeof(stage_plugin), STAGE_ABI_MAJOR, STAGE_ABI_MINOR, describe, init, open_stage, run, close_stage, extension,
};

const stage_plugin *stage_plugin_v1(void) { return &PLUGIN; }
