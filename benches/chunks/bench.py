#!/usr/bin/env python3
"""One long video over one worker and over two, by pipelines/long_video.yaml, beside the same encode in one pass.

    bench.py [--minutes 10] [--height 360] [--preset veryfast] [--rounds 1]

`make bench-chunks` runs it, in some five minutes on two idle cores. Each worker has one slot, one encoder thread, and one
processor of its own (taskset): two workers stand for two machines of one core. The store is a Redis of this benchmark, the
film is made by ffmpeg: moving test pictures whose colours change every few seconds, and a tone.

What is printed, and asked for:
    faster     time of one worker over that of two: at least 1.8
    frames     equal to the film's
    SSIM       of each to the film; chunks and one pass differ by less than 0.001
    size       chunks over one pass: within 2 %
    others     part of the processors' time that other programs took in that run: `faster` counts where it is small
    CPU        of all attempts, stage by stage; `by CPU` is what two idle cores would give if chunks were shared evenly,
               with what only one worker can do (split, join) counted in full. It does not depend on what else the machine
               is doing, as the first figure does.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
BEGUN = time.monotonic()
RELEASE = os.environ.get("REELMILL_RELEASE", os.path.join(ROOT, "target", "release"))
ONE_PASS = """
version: 1
name: one_pass
inputs:
  video: { type: file }
  preset: { type: string }
  crf: { type: number, default: 23 }
stages:
  encode:
    uses: video.encode@1
    with:
      source: "${{ inputs.video }}"
      preset: "${{ inputs.preset }}"
      crf: "${{ inputs.crf }}"
      encoder: software
      threads: 1
outputs: { video: "${{ stages.encode.outputs.video }}", frames: "${{ stages.encode.outputs.frames }}" }
"""


def processors():
    """Busy and all ticks of the machine's processors."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def say(text):
    print(f"{time.monotonic() - BEGUN:6.0f} s  {text}", flush=True)


def film(path, minutes, height):
    """A film of scenes, each with its own colours and movement, and a tone."""
    width = height * 16 // 9 // 2 * 2
    scenes = "mod(floor(t/7.3)*37,100)"
    picture = (f"testsrc2=s={width}x{height}:r=24:d={minutes * 60},"
               f"eq=brightness='({scenes}-50)/180':contrast='1+mod({scenes},9)/20':eval=frame,noise=alls=2:allf=t")
    sound = f"sine=f=330:r=48000:d={minutes * 60},volume='0.2+0.1*sin(t)':eval=frame"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound,
                    "-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-g", "120", "-pix_fmt", "yuv420p",
                    "-c:a", "aac", "-shortest", path], check=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Fleet:
    """A Redis, a home, and workers, each on a processor of its own."""

    def __init__(self, folder, workers):
        self.folder = folder
        os.makedirs(folder)
        port = free_port()
        self.redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--appendonly", "no",
                                       "--dir", folder], stdout=subprocess.DEVNULL)
        self.environment = dict(os.environ, REELMILL_REDIS=f"redis://127.0.0.1:{port}",
                                REELMILL_HOME=os.path.join(folder, "home"))
        time.sleep(0.5)
        self.workers = [self.worker(number) for number in range(workers)]

    def worker(self, number):
        log = open(os.path.join(self.folder, f"worker{number}.log"), "w+")
        command = ["taskset", "-c", str(number), os.path.join(RELEASE, "reelmill"), "worker", "--slots", "1", "--no-cache"]
        process = subprocess.Popen(command, env=self.environment, stderr=log, stdout=log)
        while "working for the fleet" not in open(log.name).read():
            if process.poll() is not None:
                sys.exit(f"a worker ended: {open(log.name).read()}")
            time.sleep(0.05)
        return process

    def run(self, pipeline, inputs, out):
        """Seconds of the run, its status, the file it put out, CPU by stage, and what others took of the processors."""
        flags = [part for name, value in inputs.items() for part in ("--input", f"{name}={value}")]
        begun, before = time.monotonic(), processors()
        ended = subprocess.run([os.path.join(RELEASE, "reelmill"), "submit", pipeline, "--wait", "--out", out, "-o", "json",
                                *flags], env=self.environment, capture_output=True, text=True)
        took, after = time.monotonic() - begun, processors()
        if ended.returncode != 0:
            sys.exit(f"{pipeline} failed: {ended.stdout}{ended.stderr}")
        status = json.loads(ended.stdout)
        video = next(os.path.join(out, name) for name in os.listdir(out) if name.endswith(".mp4"))
        tasks = subprocess.run([os.path.join(RELEASE, "reelmill"), "status", "last", "-o", "json"], env=self.environment,
                               capture_output=True, text=True, check=True)
        cpu = cpu_of(json.loads(tasks.stdout))
        others = ((after[0] - before[0]) / 100 - sum(cpu.values())) / max((after[1] - before[1]) / 100, 1e-9)
        return took, status, video, cpu, max(others, 0)

    def end(self):
        for process in self.workers:
            process.terminate()
        for process in self.workers:
            process.wait()
        self.redis.terminate()
        self.redis.wait()


def cpu_of(status):
    """CPU seconds of the attempts of each stage."""
    found = {}

    def walk(value):
        if isinstance(value, dict):
            usage, path = value.get("usage"), value.get("path") or value.get("stage") or value.get("name")
            if isinstance(usage, dict) and isinstance(path, str):
                stage = path.split("[")[0].split(".")[0]
                found[stage] = found.get(stage, 0) + usage.get("cpu_ms", 0) / 1000
                return
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(status.get("stages", status))
    return found


def ideal(cpu, workers):
    """Seconds on idle cores: split before and join after by one worker, all between them shared evenly."""
    alone = cpu.get("split", 0) + cpu.get("join", 0)
    return alone + (sum(cpu.values()) - alone) / workers


def ssim(video, reference):
    graph = "[0:v]settb=1/24,setpts=N[a];[1:v]settb=1/24,setpts=N[b];[a][b]ssim"
    ended = subprocess.run(["ffmpeg", "-v", "info", "-nostats", "-i", video, "-i", reference, "-lavfi", graph, "-an", "-f", "null", "-"],
                           capture_output=True, text=True, check=True)
    return float(ended.stderr.rsplit("All:", 1)[1].split()[0])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--height", type=int, default=360)
    arguments.add_argument("--preset", default="veryfast")
    arguments.add_argument("--rounds", type=int, default=1)
    options = arguments.parse_args()
    if os.cpu_count() < 2:
        sys.exit("two processors are needed: a worker has one of its own")
    folder = tempfile.mkdtemp(prefix="reelmill-chunks-")
    try:
        source = os.path.join(folder, "film.mp4")
        say(f"making a film of {options.minutes:g} minutes")
        film(source, options.minutes, options.height)
        with open(os.path.join(folder, "one_pass.yaml"), "w") as file:
            file.write(ONE_PASS)
        long_video = os.path.join(ROOT, "pipelines", "long_video.yaml")
        inputs = {"video": source, "preset": options.preset}
        best = {}
        for turn in range(options.rounds):
            for name, workers, pipeline in [("one pass", 1, os.path.join(folder, "one_pass.yaml")),
                                            ("1 worker", 1, long_video), ("2 workers", 2, long_video)]:
                place = os.path.join(folder, f"{name.replace(' ', '')}{turn}")
                fleet = Fleet(place, workers)
                try:
                    took, status, video, cpu, others = fleet.run(pipeline, inputs, os.path.join(place, "out"))
                finally:
                    fleet.end()
                stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in cpu.items())
                say(f"{name:10} {took:8.1f} s   CPU {sum(cpu.values()):8.1f} s ({stages})   others {others:4.0%}")
                if name not in best or took < best[name][0]:
                    best[name] = (took, status["outputs"], video, cpu, others)
        report(best, source)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(best, source):
    one, single, double = best["one pass"], best["1 worker"], best["2 workers"]
    say("comparing with the film")
    scores = {name: ssim(value[2], source) for name, value in best.items()}
    sizes = {name: os.path.getsize(value[2]) for name, value in best.items()}
    print(f"\nfaster     {single[0] / double[0]:.2f} x (wanted: 1.8), by CPU {ideal(single[3], 1) / max(ideal(double[3], 2), 1e-9):.2f} x")
    print(f"frames     {one[1]['frames']} in one pass, {double[1]['frames']} of {double[1]['chunks']} chunks")
    print(f"SSIM       {scores['one pass']:.5f} in one pass, {scores['2 workers']:.5f} in chunks: "
          f"off by {abs(scores['one pass'] - scores['2 workers']):.5f} (wanted: < 0.001)")
    print(f"size       {sizes['2 workers'] / sizes['one pass'] - 1:+.2%} (wanted: within 2 %)")
    if max(value[4] for name, value in best.items() if name != "one pass") > 0.05:
        print("others worked beside it: `faster` says little, `by CPU` holds")
    if one[1]["frames"] != double[1]["frames"]:
        sys.exit("the chunks do not have the frames of one pass")


if __name__ == "__main__":
    main()
