import { between } from '../random.ts'
import type { Fault } from './fault.ts'

export const fillDatabaseDisk: Fault = {
  kind: 'disk of the database full',
  seconds: 60,
  possible: (world) => world.databaseDisk.canFill,
  act: async (stage) => {
    const { world, random } = stage
    if (!stage.take(['postgres'], (name) => name)) return
    const incident = stage.begin('disk of the database full', 'postgres')
    try {
      world.databaseDisk.fill(1)
      await stage.wait(between(random, 5, 20))
    } finally {
      world.databaseDisk.free()
    }
    await stage.over(
      incident,
      world.databaseBack().then(() => Promise.all(world.servers.map((s, i) => s.running && world.serverReady(i)))),
    )
  },
}

export const fillStorageDisk: Fault = {
  kind: 'disk of the storage full',
  seconds: 30,
  possible: (world) => world.storageDisk.canFill,
  act: async (stage) => {
    const { world, random } = stage
    if (!stage.take(['storage'], (name) => name)) return
    const incident = stage.begin('disk of the storage full', 'storage')
    try {
      world.storageDisk.fill(0)
      await stage.wait(between(random, 5, 20))
    } finally {
      world.storageDisk.free()
    }
    await stage.over(incident)
  },
}
