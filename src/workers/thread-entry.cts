// Piscina requires the file it is given, and Node.js 20 aborts the whole process when a thread is ended while an ES
// module that it requires is being linked ("IsGraphAsync must be used on an instantiated module"). To require this file
// is harmless, and to import the other is safe. Piscina awaits what it finds under the name.
module.exports = {
  runCodecJob: import(require("node:worker_threads").workerData.module).then(({ runCodecJob }) => runCodecJob),
};
