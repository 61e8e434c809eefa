-- A database as the old panel left it after years: MyISAM, latin1, its own sql_mode, rows in every odd state.
-- Statements end with a semicolon at the end of a line. Times are São Paulo's.
SET SESSION sql_mode = '';
CREATE TABLE discador_campanhas (
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL,
  status ENUM('active','paused','finished') DEFAULT 'active',
  max_channels INT DEFAULT 10, impulse_factor FLOAT DEFAULT 6.0, max_multiplier FLOAT DEFAULT 20.0,
  average_call_time INT DEFAULT 180, start_time TIME, end_time TIME, total_contacts INT DEFAULT 0,
  processed_contacts INT DEFAULT 0, successful_calls INT DEFAULT 0, created_at DATETIME, updated_at DATETIME
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
CREATE TABLE discador_contatos (
  id INT AUTO_INCREMENT PRIMARY KEY, campaign_id INT, name VARCHAR(255), phone_number VARCHAR(20),
  alternate_phone VARCHAR(20), attempts INT DEFAULT 0, max_attempts INT DEFAULT 3, last_attempt DATETIME,
  next_attempt DATETIME, status ENUM('pending','calling','completed','failed') DEFAULT 'pending', result VARCHAR(50),
  created_at DATETIME, updated_at DATETIME
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
CREATE TABLE painel_ramais (
  id INT AUTO_INCREMENT PRIMARY KEY, number VARCHAR(10) UNIQUE, name VARCHAR(255),
  status_line1 ENUM('free','busy','unregistered') DEFAULT 'unregistered',
  status_line2 ENUM('free','busy','unregistered') DEFAULT 'unregistered',
  last_activity DATETIME, registered TINYINT(1) DEFAULT 0
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
CREATE TABLE discador_chamadas (
  unique_id VARCHAR(32) NOT NULL PRIMARY KEY, source_extension VARCHAR(10), destination_extension VARCHAR(10),
  status ENUM('ringing','connected','finished') DEFAULT 'ringing', start_time DATETIME, answer_time DATETIME,
  end_time DATETIME, duration INT
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO discador_campanhas (id, name, status, max_channels, total_contacts, processed_contacts, created_at) VALUES
  (1, 'Cobrança São João', 'active', 10, 20, 3, '2026-02-01 08:00:00'),
  (2, 'Sem estado', '', 10, -7, 12, '0000-00-00 00:00:00'),
  (3, 'Sem canais', 'paused', -1, 0, 0, NULL);
INSERT INTO discador_contatos (id, campaign_id, name, phone_number, alternate_phone) VALUES
  (1, 1, 'João Conceição', '11987650001', NULL),
  (2, 1, 'Zé', '(11) 98765-0002', '011 3456-7890'),
  (3, 1, 'Ana', '0151187650003', NULL),
  (4, 1, 'Rui', '+55 11 98765-0004', ''),
  (5, 1, 'Eva', 'RAMAL 22', NULL),
  (6, 1, 'Sem número', '', NULL),
  (7, 1, NULL, NULL, NULL),
  (8, 1, 'De novo', '11987650001', NULL),
  (9, 77, 'Órfão', '11987650009', NULL),
  (10, NULL, 'De ninguém', '11987650010', NULL);
INSERT INTO discador_contatos (id, campaign_id, name, phone_number, attempts, max_attempts, status, last_attempt,
  next_attempt, created_at, updated_at) VALUES
  (11, 1, 'Ficou', '11987650011', 1, 3, 'calling', '2026-02-27 10:00:00', NULL, NULL, NULL),
  (12, 1, 'Ficou sem hora', '11987650012', 1, 3, 'calling', '0000-00-00 00:00:00', '0000-00-00 00:00:00', NULL, NULL),
  (13, 1, 'Em chamada', '11987650013', 1, 3, 'calling', '2026-03-02 09:58:00', NULL, NULL, NULL),
  (14, 1, 'Estado errado', '11987650014', 0, 3, 'agendado', NULL, NULL, NULL, NULL),
  (15, 1, 'Negativo', '11987650015', -4, 3, 'pending', NULL, NULL, NULL, NULL),
  (16, 1, 'Sem conta', '11987650016', NULL, NULL, 'pending', NULL, NULL, NULL, NULL),
  (17, 1, 'Demais', '11987650017', 2147483647, 3, 'pending', '2026-02-27 10:00:00', NULL, NULL, NULL),
  (18, 1, 'Data zero', '11987650018', 1, 3, 'pending', '0000-00-00 00:00:00', '0000-00-00 00:00:00',
   '0000-00-00 00:00:00', '0000-00-00 00:00:00'),
  (19, 1, 'Feito', '11987650019', 1, 3, 'completed', '2026-02-27 10:00:00', NULL, NULL, NULL),
  (20, 1, _binary 0x4A6FC3A36F, '11987650020', 0, 3, 'pending', NULL, NULL, NULL, NULL);
INSERT INTO painel_ramais (number, name, status_line1, status_line2, registered) VALUES
  ('1001', 'Recepção', 'free', 'free', 1), ('1002', NULL, '', 'busy', 0);
INSERT INTO discador_chamadas VALUES
  ('1262304000.17', '1001', '1187650001', 'finished', '2026-02-27 10:00:00', '2026-02-27 10:00:05',
   '2026-02-27 10:00:35', 30),
  ('1262304000.18', NULL, '1187650002', 'ringing', '2010-01-01 10:00:00', NULL, NULL, NULL),
  ('1262304000.19', '', '1187650003', '', '0000-00-00 00:00:00', NULL, NULL, -5);
